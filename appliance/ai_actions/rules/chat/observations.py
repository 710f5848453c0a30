"""What chat's tools tell a model of what they read."""

from collections.abc import Iterable, Mapping, Sequence

from appliance.ai_actions.rules.chat.documentation import Page
from appliance.resources.rules import Diff, Issue, Job, MergeRequest, Note, Project

# Ten of them are as much as most models take; the gateway cuts further where one takes less.
MAX_CHARS = 16_000
MAX_TEXT_CHARS = 6_000
# Said of what is not there and of what the asker may not read alike.
NOT_FOUND = "Nothing was found: it is not there, or it may not be read here."
REPEATED = "That was read before. Answer with what is known, or ask for something else."
NO_SUCH_TOOL = "There is no tool of that name."
NO_DOCUMENTATION = "The documentation says nothing about that."

Names = Mapping[int, str]


def of_issue(issue: Issue, notes: Iterable[Note], *, project: Project, names: Names) -> str:
    """An issue and what was said on it, as far as there is room for the newest of it."""
    head = [
        f"Issue {project.full_path}#{issue.iid}: {issue.title}",
        f"State: {issue.state}",
        f"Author: {_name(issue.author_id, names)}",
        f"Created: {issue.created_at:%Y-%m-%d}",
        *([f"Labels: {', '.join(issue.labels)}"] if issue.labels else []),
        f"Description:\n{beginning(issue.description, MAX_TEXT_CHARS)}",
    ]
    return _with_notes(head, notes, names)


def of_merge_request(
    found: MergeRequest,
    diffs: Sequence[Diff],
    notes: Iterable[Note],
    *,
    project: Project,
    names: Names,
) -> str:
    """A merge request, what it changes, and what was said on it."""
    head = [
        f"Merge request {project.full_path}!{found.iid}: {found.title}",
        f"State: {found.state}{' (draft)' if found.is_draft else ''}",
        f"Author: {_name(found.author_id, names)}",
        f"Branches: {found.source_branch} into {found.target_branch}",
        *([f"Labels: {', '.join(found.labels)}"] if found.labels else []),
        f"Description:\n{beginning(found.description, MAX_TEXT_CHARS)}",
        f"Changes:\n{beginning(_changes(diffs), MAX_TEXT_CHARS)}",
    ]
    return _with_notes(head, notes, names)


def of_job(job: Job, trace: str, *, project: Project) -> str:
    """A job and the end of its log, which says why it failed."""
    head = [
        f"Job {job.id} of {project.full_path}: {job.name}",
        f"Stage: {job.stage}",
        f"Branch or tag: {job.ref}",
        f"Status: {job.status}",
        *([f"Reason: {job.failure_reason}"] if job.failure_reason else []),
    ]
    # Where a model takes little, the gateway cuts what comes last: so there is little of it.
    log = f"Log:\n{end(trace, MAX_TEXT_CHARS)}" if trace.strip() else "It has no log."
    return _bounded("\n".join([*head, log]))


def of_project(
    project: Project, *, issues: Sequence[Issue], merge_requests: Sequence[MergeRequest]
) -> str:
    """A project and the newest of what lies in it."""
    lines = [
        f"Project {project.full_path}: {project.name}",
        f"Visibility: {project.visibility}",
        f"Created: {project.created_at:%Y-%m-%d}",
        f"Description:\n{beginning(project.description, MAX_TEXT_CHARS)}",
        *[f"Issue #{each.iid} ({each.state}): {each.title}" for each in issues],
        *[f"Merge request !{each.iid} ({each.state}): {each.title}" for each in merge_requests],
    ]
    return _bounded("\n".join(lines))


def of_pages(pages: Sequence[Page]) -> str:
    """Pages of the documentation."""
    return _bounded("\n\n".join(f"{page.title}\n{page.text.strip()}" for page in pages))


def beginning(text: str, most: int) -> str:
    """The beginning of a text, with a word on what is missing."""
    if len(text) <= most:
        return text
    return f"{text[:most]}\n[{len(text) - most:,} characters left out]"


def end(text: str, most: int) -> str:
    """The end of a text, with a word on what is missing."""
    if len(text) <= most:
        return text
    return f"[{len(text) - most:,} characters left out]\n{text[-most:]}"


def _bounded(text: str) -> str:
    return beginning(text, MAX_CHARS)


def _with_notes(head: Sequence[str], notes: Iterable[Note], names: Names) -> str:
    text = "\n".join(head)
    said = [
        f"{_name(note.author_id, names)} on {note.created_at:%Y-%m-%d}: "
        f"{beginning(note.body, MAX_TEXT_CHARS)}"
        for note in notes
        if not note.is_system
    ]
    room = MAX_CHARS - len(text)
    kept: list[str] = []
    for each in reversed(said):
        room -= len(each) + 2
        if room < 0:
            break
        kept.append(each)
    missing = len(said) - len(kept)
    older = [f"[{missing} older comments left out]"] if missing else []
    comments = "\n\n".join([*older, *kept[::-1]]) if said else "There are none."
    return _bounded(f"{text}\nComments:\n{comments}")


def _changes(diffs: Sequence[Diff]) -> str:
    return "\n".join(f"--- {each.old_path}\n+++ {each.new_path}\n{each.diff}" for each in diffs)


def _name(author_id: int | None, names: Names) -> str:
    name = None if author_id is None else names.get(author_id)
    return "somebody who is gone" if name is None else f"@{name}"
