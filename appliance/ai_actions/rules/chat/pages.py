"""What a page of the instance shows, told by its address, and what may be asked there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from appliance.ai_actions.rules.values import ResourceKind

# A longer address is none that a person looks at.
MAX_URL_CHARS = 2048
MAX_QUESTIONS = 4

_KINDS: Mapping[str, ResourceKind] = {
    "issues": "Issue",
    "work_items": "Issue",
    "merge_requests": "MergeRequest",
    "jobs": "Job",
    "security/vulnerabilities": "Vulnerability",
}
_PAGE = re.compile(
    rf"/(?P<project>[^?#]{{1,1024}}?)/-/(?P<place>{'|'.join(_KINDS)})/(?P<number>[1-9][0-9]{{0,9}})(?:/.*)?"
)
_QUESTIONS: Mapping[ResourceKind | None, tuple[str, ...]] = {
    None: (
        "What can I ask here?",
        "How do I use code suggestions?",
        "What does an error code such as A1001 mean?",
        "How do I begin a new conversation?",
    ),
    "Issue": (
        "What is this issue about?",
        "What has been decided so far?",
        "What is still open in this issue?",
        "Which next steps does this issue need?",
    ),
    "MergeRequest": (
        "What does this merge request change?",
        "Why is this change made?",
        "What should a reviewer look at first?",
        "What could go wrong with this change?",
    ),
    "Job": (
        "Why did this job fail?",
        "What should be changed so that this job passes?",
        "Which line of the log tells the reason?",
        "Has this to do with the code or with the environment?",
    ),
    "Vulnerability": (
        "What does this vulnerability mean?",
        "How could it be exploited?",
        "How can it be mended?",
        "How do I keep it from coming back?",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPage:
    """A page about one thing of a project; `number` is the one that its address has."""

    project_path: str
    kind: ResourceKind
    number: int


def shown_page(url: str) -> ShownPage | None:
    """What the page of that address shows; None: nothing of a project, or nobody can tell."""
    if len(url) > MAX_URL_CHARS:
        return None
    try:
        path = unquote(urlsplit(url).path)
    except ValueError:
        return None
    found = _PAGE.fullmatch(path) if path.isprintable() else None
    if found is None:
        return None
    return ShownPage(
        project_path=found["project"], kind=_KINDS[found["place"]], number=int(found["number"])
    )


def preset_questions(kind: ResourceKind | None, count: int) -> tuple[str, ...]:
    """At most `count` questions that make sense where such a thing is shown."""
    questions = _QUESTIONS.get(kind, _QUESTIONS[None])
    return questions[: max(0, min(count, MAX_QUESTIONS))]
