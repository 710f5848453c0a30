"""Explanations over REST."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from appliance.accounts.rules import USERNAME, Access, Caller
from appliance.accounts.usecases import get_user_named
from appliance.errors import InvalidFieldsError, NotFoundError
from appliance.explanations import usecases
from appliance.explanations.rules import Explanation, Question, Recollection
from appliance.explanations.usecases import ReadState
from appliance.storage.engine import Db, Session

Clock = Callable[[], datetime]
PATH = "/api/v4/ai/explanations"


@get(PATH, opt={"access": Access.API})
async def get_explanation(  # noqa: PLR0913  # each is a parameter of the query
    *,
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    read_state: NamedDependency[ReadState],
    clock: NamedDependency[Clock],
    user_id: FromQuery[int | None] = None,
    username: FromQuery[str | None] = None,
    feature: FromQuery[str | None] = None,
    unit_primitive: FromQuery[str | None] = None,
    namespace_id: FromQuery[int | None] = None,
    project_id: FromQuery[int | None] = None,
    model: FromQuery[str | None] = None,
    address: FromQuery[str | None] = None,
) -> dict[str, Any]:
    """Whether somebody, by default the caller, may use a feature, and what decides."""
    if user_id is not None and username is not None:
        raise InvalidFieldsError({"user_id": "name the user by id or by username, not by both"})
    now = clock()

    def ask(session: Session) -> dict[str, Any]:
        question = Question(
            user_id=_subject(session, caller, user_id=user_id, username=username),
            feature=feature,
            unit_primitive=unit_primitive,
            namespace_id=namespace_id,
            project_id=project_id,
            model=model,
            address=address,
        )
        found = usecases.explain(session, caller, question, read_state=read_state, now=now)
        return {
            "user_id": question.user_id,
            "namespace_id": namespace_id,
            **_show(found),
        }

    return await db.read(ask)


@get(f"{PATH}/{{decision_id:str}}", opt={"access": Access.API})
async def get_decision(
    *,
    decision_id: FromPath[str],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    read_state: NamedDependency[ReadState],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """A refusal by the id that came with it, and how the same would be answered now."""
    now = clock()
    return _show_decision(
        await db.read(
            lambda session: usecases.explain_decision(
                session, caller, decision_id, read_state=read_state, now=now
            )
        )
    )


def _subject(session: Session, caller: Caller, *, user_id: int | None, username: str | None) -> int:
    if username is None:
        return caller.user.id if user_id is None else user_id
    if not USERNAME.fullmatch(username):
        raise NotFoundError(what="User")
    return get_user_named(session, username).id


def _show(explanation: Explanation) -> dict[str, Any]:
    return {
        "verdict": explanation.verdict,
        "code": explanation.code,
        "ai_action_code": explanation.ai_action_code,
        "unit_primitive": explanation.unit_primitive,
        "model": explanation.model,
        "checks": [
            {
                "name": check.name,
                "state": check.state,
                "sentence": check.sentence,
                "change": check.change,
            }
            for check in explanation.checks
        ],
    }


def _show_decision(found: Recollection) -> dict[str, Any]:
    decision = found.decision
    return {
        "decision_id": decision.decision_id,
        "happened_at": decision.happened_at.isoformat(),
        "user_id": decision.user_id,
        "namespace_id": decision.namespace_id,
        "code": decision.code,
        "unit_primitive": decision.unit_primitive,
        "provider": decision.provider,
        "model": decision.model,
        "would_still_be_refused": found.would_still_be_refused,
        "note": found.note,
        "explanation": _show(found.explanation) if found.explanation else None,
    }


handlers = (get_explanation, get_decision)
