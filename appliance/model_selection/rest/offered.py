"""The models that the gateway brings over REST, for admins, and how reading them went."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency

from appliance.accounts.rules import Access, Caller
from appliance.model_selection import usecases
from appliance.model_selection.rules.pool import OfferedModel
from appliance.model_selection.rules.syncing import SyncState
from appliance.model_selection.usecases import ModelSync
from appliance.storage.engine import Db, Session

Clock = Callable[[], datetime]
PATH = "/api/v4/ai/offered_models"


@get(PATH, opt={"access": Access.ADMIN})
async def list_offered(*, db: NamedDependency[Db]) -> dict[str, Any]:
    """All of them by ref, also those that cannot be used, and the last look at the definitions."""

    def work(session: Session) -> dict[str, Any]:
        state = usecases.sync_state(session)
        return {
            "models": [_show(model) for model in usecases.list_offered(session)],
            "sync": None if state is None else _show_state(state),
        }

    return await db.read(work)


@post(f"{PATH}/sync", status_code=200, opt={"access": Access.ADMIN})
async def sync(
    *,
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    model_sync: NamedDependency[ModelSync],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Reads the gateway's definitions now; also a look that failed is an answer."""
    look = await model_sync.look(await db.read(model_sync.source))
    planned = await db.read(lambda session: model_sync.plan(session, look))
    report = await db.write(
        lambda session: model_sync.apply(session, planned, actor=caller.actor, now=clock())
    )
    return {
        "succeeded": report.state.failure is None,
        "changes": dict(report.changes),
        "sync": _show_state(report.state),
    }


def _show(model: OfferedModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "ref": model.ref,
        "name": model.name,
        "provider": model.provider,
        "family": model.family,
        "release_state": model.release_state,
        "description": model.description,
        "cost_indicator": model.cost_indicator,
        "context_tokens": model.context_tokens,
        "served": model.is_served,
        "retired_at": _text(model.retired_at),
        "why_unusable": model.why_unusable,
        "features": sorted(model.features),
        "beta_for": sorted(model.beta_for),
        "default_for": sorted(model.default_for),
    }


def _show_state(state: SyncState) -> dict[str, Any]:
    return {
        "source": state.source,
        "tried_at": _text(state.tried_at),
        "succeeded_at": _text(state.succeeded_at),
        "due_at": _text(state.due_at),
        "failures": state.failures,
        "failure": state.failure,
        "problems": [problem.as_dict() for problem in state.problems],
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


handlers = (list_offered, sync)
