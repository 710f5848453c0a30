"""The actions on what people write on issues and merge requests."""

from collections.abc import Sequence

from appliance.accounts.usecases import users_among
from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules.gateway.fitting import aside
from appliance.ai_actions.usecases.actions.looking import Look, Told
from appliance.resources.rules import Issue, MergeRequest, Note
from appliance.resources.usecases import notes_of, visible_issue, visible_merge_request

NO_COMMENTS = "M4004"
GONE = "somebody"


class SummarizeComments:
    """Sums up a discussion; a long one in parts."""

    def gather(self, look: Look) -> Told:
        """What everybody said that the user may read, in its order."""
        subject = _subject(look)
        said = [
            note
            for note in notes_of(look.session, look.user, subject, now=look.now)
            if not note.is_system and note.body.strip()
        ]
        if not said:
            raise ActionFailedError(NO_COMMENTS)
        inputs: dict[str, object] = {"title": subject.title}
        if subject.description.strip():
            inputs["description"] = aside(subject.description)
        return Told(inputs=inputs, notes=_spoken(look, said))


class MeasureCommentTemperature:
    """Says how heated a comment is that the user has not sent yet."""

    def gather(self, look: Look) -> Told:
        """The comment."""
        return Told(inputs=look.given("content"))


def _subject(look: Look) -> Issue | MergeRequest:
    resource = look.resource
    if resource.kind == "Issue":
        return visible_issue(look.session, look.user, resource.id, now=look.now)
    return visible_merge_request(look.session, look.user, resource.id, now=look.now)


def _spoken(look: Look, notes: Sequence[Note]) -> list[str]:
    ids = {note.author_id for note in notes if note.author_id is not None}
    users = users_among(look.session, ids)
    names = {each: user.username for each, user in users.items()}
    return [f"{names.get(note.author_id or 0, GONE)}: {note.body}" for note in notes]
