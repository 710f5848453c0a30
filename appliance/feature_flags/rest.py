"""Feature flags over REST, for admins, under GitLab's names."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel, ConfigDict, StrictBool, StrictInt, StrictStr

from appliance.accounts.rules import Access, Caller
from appliance.accounts.usecases import get_user_named
from appliance.errors import NotFoundError
from appliance.feature_flags import rules, usecases
from appliance.feature_flags.rules import Definition, Gate, Subject
from appliance.namespaces.usecases import find_namespace
from appliance.storage.engine import Db, Session

Clock = Callable[[], datetime]
PATH = "/api/v4/features"
FLAG = f"{PATH}/{{name:str}}"


class FlagBody(BaseModel):
    """What to set a flag to: for everyone, or for the named; a number is the share of users.

    Several users or groups are separated by commas, as GitLab's clients send them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    value: StrictBool | StrictInt | StrictStr
    key: Literal["percentage_of_actors"] | None = None
    user: StrictStr | None = None
    group: StrictStr | None = None

    def subjects(self, session: Session) -> Sequence[Subject]:
        """The named users and groups.

        Raises:
            NotFoundError: one of them does not exist.
        """
        users = [get_user_named(session, each).id for each in _split(self.user)]
        groups = [_group_id(session, each) for each in _split(self.group)]
        return [*(("user", each) for each in users), *(("namespace", each) for each in groups)]


def _split(names: str | None) -> Sequence[str]:
    return [each.strip() for each in (names or "").split(",") if each.strip()]


def _group_id(session: Session, full_path: str) -> int:
    found = find_namespace(session, full_path)
    if found is None:
        raise NotFoundError(what="Group")
    return found.id


@get(PATH, opt={"access": Access.ADMIN})
async def list_flags(*, db: NamedDependency[Db]) -> list[dict[str, Any]]:
    """Every flag of this release, by name, with what it was set to."""
    gates = await db.read(usecases.list_gates)
    definitions = rules.load_definitions()
    return [_show(definitions[name], gates) for name in sorted(definitions)]


@get(f"{PATH}/definitions", opt={"access": Access.ADMIN})
async def list_definitions() -> list[dict[str, Any]]:
    """What the flags of this release are for."""
    definitions = rules.load_definitions()
    return [_show_definition(definitions[name]) for name in sorted(definitions)]


@post(FLAG, opt={"access": Access.ADMIN})
async def set_flag(
    *,
    name: FromPath[str],
    data: JSONBody[FlagBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Sets a flag."""
    value = rules.parse_value(data.value, is_share=data.key is not None)

    def work(session: Session) -> Sequence[Gate]:
        usecases.set_flag(
            session,
            name,
            value=value,
            subjects=data.subjects(session),
            actor=caller.actor,
            now=clock(),
        )
        return usecases.list_gates(session)

    gates = await db.write(work)
    return _show(usecases.get_definition(name), gates)


@delete(FLAG, opt={"access": Access.ADMIN})
async def reset_flag(
    *,
    name: FromPath[str],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> None:
    """Forgets what a flag was set to."""
    await db.write(
        lambda session: usecases.reset_flag(session, name, actor=caller.actor, now=clock())
    )


def _show(definition: Definition, gates: Sequence[Gate]) -> dict[str, Any]:
    own = [gate for gate in gates if gate.flag == definition.name]
    return {
        "name": definition.name,
        "state": rules.state_of(definition, own),
        "gates": rules.shown_gates(definition, own),
        "definition": _show_definition(definition),
    }


def _show_definition(definition: Definition) -> dict[str, Any]:
    return {
        "name": definition.name,
        "description": definition.description,
        "default_enabled": definition.is_on_by_default,
        "features": list(definition.features),
    }


handlers = (list_flags, list_definitions, set_flag, reset_flag)
