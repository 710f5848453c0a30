"""Runs every action but chat: reads what it is about, asks its prompt, and answers."""

from collections.abc import Callable, Collection, Mapping

from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules import Answer, Request
from appliance.ai_actions.rules.catalogue import ACTIONS, Action
from appliance.ai_actions.rules.gateway import fitting
from appliance.ai_actions.rules.gateway.answers import Cut, PromptAnswer
from appliance.ai_actions.rules.rights import NOT_THERE
from appliance.ai_actions.usecases.actions import GATHERERS, Look, Told
from appliance.ai_actions.usecases.asking_gateway import GatewayAsker
from appliance.ai_actions.usecases.permitting import permitted_again
from appliance.ai_actions.usecases.running import Running
from appliance.errors import NotFoundError
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog

NOTES = "notes"
PARTS_PROMPT_ID = "chat/summarize_parts"

OnText = Callable[[str], None] | None


class ActionRunner:
    """Runs one request after another; what each is about is read anew, with its user's rights."""

    def __init__(self, asker: GatewayAsker, *, catalog: Catalog) -> None:
        self._asker = asker
        self._catalog = catalog

    async def __call__(self, running: Running, *, on_text: OnText = None) -> Answer:
        """The answer; `on_text` hears the parts of it as they come.

        Raises:
            ActionFailedError: there is none, with the code that says why.
        """
        action, request = ACTIONS[running.request.action], running.request
        told = await running.read(lambda session: self._gather(session, running))
        prompt = _Prompt(self._asker, request, action=action)
        if told.notes:
            text, note = await _summed_up(prompt, told, on_text)
            return Answer(content=fitting.with_note(text, note))
        answer = await prompt.ask(told.inputs, on_text=on_text)
        return Answer(content=fitting.with_note(answer.text, fitting.told(answer.cuts)))

    def _gather(self, session: Session, running: Running) -> Told:
        request, now = running.request, running.clock()
        caller = permitted_again(session, request, catalog=self._catalog, now=now)
        look = Look(session=session, user=caller.user, request=request, now=now)
        try:
            return GATHERERS[request.action].gather(look)
        except NotFoundError as gone:
            raise ActionFailedError(NOT_THERE) from gone


class _Prompt:
    """What asks one request's prompt, and those that belong to it."""

    def __init__(self, asker: GatewayAsker, request: Request, *, action: Action) -> None:
        self._asker = asker
        self._request = request
        self._action = action

    async def ask(
        self,
        inputs: Mapping[str, object],
        *,
        prompt_id: str | None = None,
        on_text: OnText = None,
        whole: Collection[str] = (),
    ) -> PromptAnswer:
        """What the model says to it, or to another prompt under the same right."""
        return await self._asker.ask_prompt(
            self._request,
            prompt_id or str(self._action.prompt_id),
            inputs,
            unit_primitive=self._action.unit_primitive,
            on_text=on_text,
            whole=whole,
        )


async def _summed_up(prompt: _Prompt, told: Told, on_text: OnText) -> tuple[str, str]:
    """What a discussion comes to, and what its user is told of how."""
    joined = fitting.NOTES_APART.join(told.notes)
    sent = fitting.bounded(joined)
    first = await prompt.ask({**told.inputs, NOTES: sent}, on_text=on_text, whole={NOTES})
    kept = next((cut.kept for cut in first.cuts if cut.input == NOTES), None)
    if kept is None:
        cut = Cut(input=NOTES, kept=len(sent), whole=len(joined))
        return first.text, fitting.told([*first.cuts, cut])
    parts, left_out = fitting.in_parts(told.notes, limit=fitting.part_chars(kept))
    # One after the other: a model has other users as well.
    summaries = [await prompt.ask({**told.inputs, NOTES: part}) for part in parts]
    inputs = {"title": told.inputs["title"], "summaries": [each.text for each in summaries]}
    last = await prompt.ask(inputs, prompt_id=PARTS_PROMPT_ID, on_text=on_text)
    lost = left_out + sum(
        cut.whole - cut.kept for each in summaries for cut in each.cuts if cut.input == NOTES
    )
    return last.text, fitting.told_of_parts(len(parts), lost=lost, whole=len(joined))
