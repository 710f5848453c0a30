"""What a run of a job is, and what can be told of one."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from appliance.namespaces.rules import AccessLevel
from appliance.resources.rules import texts

JobStatus = Literal[
    "created",
    "pending",
    "running",
    "success",
    "failed",
    "canceled",
    "skipped",
    "manual",
    "scheduled",
]
ENDED_JOB: frozenset[JobStatus] = frozenset({"success", "failed", "canceled"})

TELLS_OF_JOBS = AccessLevel.DEVELOPER
# A request's body holds no more; of a longer log its end says why a job failed.
MAX_TRACE_CHARS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of a job; its log is read by itself. `author_id` None: that user is gone."""

    id: int
    project_id: int
    author_id: int | None
    name: str
    stage: str
    ref: str
    status: JobStatus
    failure_reason: str | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChange:
    """What can be told of a job; None leaves a thing as it is."""

    name: str | None = None
    stage: str | None = None
    ref: str | None = None
    status: JobStatus | None = None
    failure_reason: str | None = None
    trace: str | None = field(default=None, repr=False)


def check_job(change: JobChange, *, is_new: bool) -> None:
    """Passes when what is told can be used.

    Raises:
        InvalidFieldsError: with a sentence for each field at fault.
    """
    is_missing = texts.required(change.name) if is_new else None
    texts.check(
        {
            "name": is_missing or texts.problem_of_line(change.name),
            "stage": texts.problem_of_line(change.stage),
            "ref": texts.problem_of_line(change.ref),
            "failure_reason": texts.problem_of_line(change.failure_reason),
            "trace": texts.problem_of_text(change.trace, most=MAX_TRACE_CHARS),
        }
    )


def job_times(
    status: JobStatus, *, started_at: datetime | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """When a job that has that status from now on was started and when it ended."""
    if status in ENDED_JOB:
        return started_at or now, now
    return (started_at or now, None) if status == "running" else (None, None)
