"""Takes on what a user asks for, with all that belongs to it in one transaction."""

from dataclasses import dataclass, replace
from datetime import datetime

from appliance.ai_actions.rules import Message, Placed, Request, Wish
from appliance.ai_actions.rules.chat.contexts import chat_inputs
from appliance.ai_actions.usecases.accepting import accept
from appliance.ai_actions.usecases.permitting import permitted
from appliance.ai_actions.usecases.threads import note_question, open_thread
from appliance.instance_settings.usecases import limits_of
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A request that was accepted; `question` is what its user said in a conversation."""

    request: Request
    question: Message | None


def ask(session: Session, wish: Wish, *, catalog: Catalog, now: datetime) -> Accepted:
    """Accepts a wish; from the commit on it ends with exactly one answer.

    Raises:
        NotFoundError: what it is about is not there for its user, or is switched off; the same for
            a thread.
        InvalidFieldsError: it lacks something, or says too much.
        ActionRefusedError: the user may not ask for it.
        TooManyRequestsError: the user asked too often.
    """
    is_said = wish.action == "chat"
    if is_said:
        wish = replace(wish, inputs=chat_inputs(wish.inputs))
    permit = permitted(session, wish, catalog=catalog, now=now)
    placed = Placed(
        namespace_id=permit.namespace_id,
        project_id=permit.project_id,
        thread_id=open_thread(session, wish, now=now) if is_said else None,
    )
    most = limits_of(session).requests_per_8h
    request = accept(session, wish, placed, requests_per_8h=most, now=now)
    question = note_question(session, request, now=now) if is_said else None
    return Accepted(request=request, question=question)
