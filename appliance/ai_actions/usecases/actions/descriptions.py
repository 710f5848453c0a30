"""The actions that write descriptions for people to look over."""

from appliance.ai_actions.usecases.actions.looking import Look, Told, as_text
from appliance.ai_actions.usecases.actions.merge_requests import open_between
from appliance.resources.usecases import diffs_of, visible_merge_request


class GenerateDescription:
    """Writes the description of an issue from a few words."""

    def gather(self, look: Look) -> Told:
        """The words; templates lie in repositories, which are not kept here."""
        return Told(inputs=look.given("content"))


class DescriptionComposer:
    """Writes or changes the description of a merge request as the user asks."""

    def gather(self, look: Look) -> Told:
        """What is written so far, and the changes where there are any here."""
        names = ("description", "user_prompt", "previous_response")
        branches = look.given("source_branch", "target_branch")
        inputs: dict[str, object] = {
            "title": look.text("title") or "Untitled",
            **look.given(*names),
            **branches,
        }
        if (changes := self._changes(look)) is not None:
            inputs["extracted_diff"] = changes
        return Told(inputs=inputs)

    def _changes(self, look: Look) -> str | None:
        merge_request = (
            visible_merge_request(look.session, look.user, look.resource.id, now=look.now)
            if look.resource.kind == "MergeRequest"
            else open_between(look)
        )
        if merge_request is None:
            return None
        diffs = diffs_of(look.session, merge_request)
        return as_text(diffs) if diffs else None
