"""The actions on what a merge request changes, and on the review of it."""

from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules.codes import NOT_PROCESSED_CONTENT
from appliance.ai_actions.rules.gateway.fitting import aside, bounded
from appliance.ai_actions.usecases.actions.looking import Look, Told, as_text
from appliance.resources.rules import ItemFilter, MergeRequest
from appliance.resources.usecases import (
    diffs_of,
    draft_notes_of,
    list_merge_requests,
    visible_merge_request,
)
from appliance.storage.paging import Page

FIRST = Page(number=1, size=1)


class GenerateCommitMessage:
    """Writes the message of the commit that merges a merge request."""

    def gather(self, look: Look) -> Told:
        """What is changed, and how it is described."""
        merge_request = _merge_request(look)
        changes = as_text(diffs_of(look.session, merge_request))
        inputs: dict[str, object] = {"diff": changes, "title": merge_request.title}
        if merge_request.description.strip():
            inputs["description"] = aside(merge_request.description)
        return Told(inputs=inputs)


class SummarizeReview:
    """Sums up the remarks of a review that its author has not sent yet."""

    def gather(self, look: Look) -> Told:
        """The user's own remarks; nobody reads another's."""
        merge_request = _merge_request(look)
        drafts = draft_notes_of(look.session, look.user, merge_request)
        if not drafts:
            detail = "You have no pending remarks on this merge request."
            raise ActionFailedError(NOT_PROCESSED_CONTENT, {"detail": detail})
        said = bounded("\n\n".join(draft.body for draft in drafts))
        return Told(inputs={"draft_notes_content": said, "title": merge_request.title})


class SummarizeNewMergeRequest:
    """Describes what is about to be merged between two branches."""

    def gather(self, look: Look) -> Told:
        """The changes of the open merge request of these branches; repositories are not kept."""
        merge_request = open_between(look)
        if merge_request is None:
            detail = "There is no open merge request between these branches here."
            raise ActionFailedError(NOT_PROCESSED_CONTENT, {"detail": detail})
        changes = as_text(diffs_of(look.session, merge_request))
        branches = look.given("source_branch", "target_branch")
        return Told(inputs={"extracted_diff": changes, "title": merge_request.title, **branches})


def open_between(look: Look) -> MergeRequest | None:
    """The newest open merge request of the branches that the user names, in the project."""
    source, target = look.text("source_branch"), look.text("target_branch")
    if source is None or target is None:
        return None
    wanted = ItemFilter(
        project_id=look.resource.id, state="opened", source_branch=source, target_branch=target
    )
    found = list_merge_requests(look.session, look.user, FIRST, wanted=wanted, now=look.now)
    return next(iter(found.items), None)


def _merge_request(look: Look) -> MergeRequest:
    return visible_merge_request(look.session, look.user, look.resource.id, now=look.now)
