"""What a vulnerability is, and what can be said of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from appliance.namespaces.rules import AccessLevel
from appliance.resources.rules import texts
from appliance.resources.rules.merge_requests import MAX_PATH_CHARS

Severity = Literal["info", "unknown", "low", "medium", "high", "critical"]
ReportType = Literal[
    "sast",
    "dependency_scanning",
    "container_scanning",
    "dast",
    "coverage_fuzzing",
    "api_fuzzing",
    "secret_detection",
    "cluster_image_scanning",
    "generic",
]
VulnerabilityState = Literal["detected", "confirmed", "resolved", "dismissed"]

SEES_VULNERABILITIES = AccessLevel.DEVELOPER
REMOVES_VULNERABILITIES = AccessLevel.OWNER
MAX_IDENTIFIERS = 20
MAX_URL_CHARS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A name that others know a weakness by, such as `cwe` with the id `79`."""

    external_type: str
    external_id: str
    name: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where it was found; lines count from 1, and the last one belongs to it."""

    file: str
    start_line: int | None = None
    end_line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerability:
    """A weakness that was found in a project; `source_code` is the file as it was then.

    `location` and `identifiers` have the members of the classes above, as JSON has them.
    """

    id: int
    project_id: int
    author_id: int | None
    title: str = field(repr=False)
    description: str = field(repr=False)
    severity: Severity
    report_type: ReportType
    state: VulnerabilityState
    solution: str = field(default="", repr=False)
    identifiers: Sequence[Mapping[str, Any]] = ()
    location: Mapping[str, Any] = field(default_factory=dict)
    source_code: str | None = field(default=None, repr=False)
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VulnerabilityChange:
    """What can be said of a vulnerability; None leaves a thing as it is."""

    title: str | None = None
    description: str | None = None
    severity: Severity | None = None
    report_type: ReportType | None = None
    state: VulnerabilityState | None = None
    solution: str | None = None
    identifiers: Sequence[Identifier] | None = None
    location: Location | None = None
    source_code: str | None = field(default=None, repr=False)


def check_vulnerability(change: VulnerabilityChange, *, is_new: bool) -> None:
    """Passes when what is said can be used.

    Raises:
        InvalidFieldsError: with a sentence for each field at fault.
    """
    needed = texts.required if is_new else _never
    texts.check(
        {
            "title": needed(change.title) or texts.problem_of_line(change.title),
            "severity": needed(change.severity),
            "report_type": needed(change.report_type),
            "description": texts.problem_of_text(change.description),
            "solution": texts.problem_of_text(change.solution),
            "source_code": texts.problem_of_text(change.source_code),
            "identifiers": _problem_of_identifiers(change.identifiers or ()),
            "location": _problem_of_location(change.location),
        }
    )


def _never(_: str | None) -> None:
    return None


def _problem_of_identifiers(identifiers: Sequence[Identifier]) -> str | None:
    if len(identifiers) > MAX_IDENTIFIERS:
        return f"must be at most {MAX_IDENTIFIERS}"
    for each in identifiers:
        for line in (each.external_type, each.external_id, each.name):
            if problem := texts.problem_of_line(line):
                return problem
        if problem := texts.problem_of_line(each.url, most=MAX_URL_CHARS):
            return f"url {problem}"
    return None


def _problem_of_location(location: Location | None) -> str | None:
    if location is None:
        return None
    if problem := texts.problem_of_line(location.file, most=MAX_PATH_CHARS):
        return f"file {problem}"
    first = 1 if location.start_line is None else location.start_line
    last = first if location.end_line is None else location.end_line
    if not 1 <= first <= last:
        return "lines must count from 1, and the last must not be before the first"
    return None
