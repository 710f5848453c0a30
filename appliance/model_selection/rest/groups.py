"""What groups choose over REST: owners choose, members read."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from litestar import delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from pydantic import StrictStr

from appliance.accounts.rules import Access, Caller
from appliance.model_selection import usecases
from appliance.model_selection.rest.showing import Body, show_feature, show_models
from appliance.model_selection.rules import ChoiceChange, ChoiceView
from appliance.model_selection.rules.wishes import check_features
from appliance.namespaces.rules import Namespace
from appliance.namespaces.usecases import named_namespace
from appliance.slashes import named
from appliance.storage.engine import Db, Session
from gateway.contract.catalog import load_catalog

Clock = Callable[[], datetime]
PATH = "/api/v4/groups/{group:str}/ai_feature_settings"
FEATURE = f"{PATH}/{{feature:str}}"


class ChoiceBody(Body):
    """A wish for a feature, in place of what was chosen.

    Without `allowed_models` the groups below may choose from all that this one could.
    """

    model: StrictStr
    allowed_models: list[StrictStr] | None = None
    # Litestar validates leniently, where even a StrictBool takes "yes".
    locked: Literal[True, False] = False

    def change(self, feature: str) -> ChoiceChange:
        """The same in the product's words."""
        return ChoiceChange(
            features=(feature,),
            model_ref=self.model,
            narrowed_to=None if self.allowed_models is None else tuple(self.allowed_models),
            is_locked=self.locked,
        )


@get(PATH, opt={"access": Access.API})
async def list_choices(
    *,
    group: FromPath[str],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> list[dict[str, Any]]:
    """Every feature as the group sees it, in the catalogue's order."""

    def work(session: Session) -> list[dict[str, Any]]:
        now = clock()
        at = _group(session, group, caller, now=now)
        found = usecases.list_choices(session, caller.user, at.id, catalog=load_catalog(), now=now)
        entitled = _entitled(session, at, now)
        return [_show(each, entitled) for each in found]

    return await db.read(work)


@get(FEATURE, opt={"access": Access.API})
async def get_choice(
    *,
    group: FromPath[str],
    feature: FromPath[str],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """One feature as the group sees it."""

    def work(session: Session) -> dict[str, Any]:
        now, catalog = clock(), load_catalog()
        at = _group(session, group, caller, now=now)
        found = usecases.list_choices(session, caller.user, at.id, catalog=catalog, now=now)
        [name] = check_features([feature], catalog)
        [view] = (each for each in found if each.name == name)
        return _show(view, _entitled(session, at, now))

    return await db.read(work)


@put(FEATURE, opt={"access": Access.API})
async def change_choice(  # Litestar passes each by name
    *,
    group: FromPath[str],
    feature: FromPath[str],
    data: JSONBody[ChoiceBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Chooses for a group."""

    def work(session: Session) -> dict[str, Any]:
        now, catalog = clock(), load_catalog()
        at = _group(session, group, caller, now=now)
        [changed] = usecases.change_choices(
            session, caller.user, at.id, data.change(feature), catalog=catalog, now=now
        )
        return _show(changed, _entitled(session, at, now))

    return await db.write(work)


@delete(FEATURE, opt={"access": Access.API})
async def reset_choice(
    *,
    group: FromPath[str],
    feature: FromPath[str],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> None:
    """Takes back what a group chose; it inherits again."""

    def work(session: Session) -> None:
        now = clock()
        at = _group(session, group, caller, now=now)
        usecases.reset_choices(
            session, caller.user, at.id, [feature], catalog=load_catalog(), now=now
        )

    await db.write(work)


def _group(session: Session, group: str, caller: Caller, *, now: datetime) -> Namespace:
    return named_namespace(session, caller.user, named(group), now=now)


def _entitled(session: Session, at: Namespace, now: datetime) -> Mapping[str, str | None]:
    return usecases.entitlement(session, at, catalog=load_catalog(), now=now)


def _show(view: ChoiceView, entitled: Mapping[str, str | None]) -> dict[str, Any]:
    own = view.choice
    narrowed_to = None if own is None else own.narrowed_to
    return {
        **show_feature(view.name, view.feature),
        "provider": view.provider,
        "model": None if own is None else own.model,
        "allowed_models": None if narrowed_to is None else sorted(narrowed_to),
        "locked": own is not None and own.is_locked,
        # Where there is a lock, the level that has it is the one that chose.
        "locked_by": _show_level(view.level) if view.here.is_locked else None,
        "changed": own is not None,
        "effective_model": view.here.model,
        "level": _show_level(view.level),
        "may_change_by": view.may_change_by,
        "selectable_models": show_models(view.choosable, entitled),
        "problem": view.problem,
    }


def _show_level(level: Namespace | None) -> dict[str, Any]:
    if level is None:
        return {"kind": "instance", "id": None, "full_path": None}
    return {"kind": "group", "id": level.id, "full_path": level.full_path}


handlers = (list_choices, get_choice, change_choice, reset_choice)
