"""Feature flags over REST, for admins, under GitLab's names."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from litestar import Request, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.enums import RequestEncodingType
from litestar.params import FromPath
from pydantic import BaseModel, ConfigDict, StrictBool, StrictInt, StrictStr, ValidationError

from appliance.accounts.rules import Access, Caller
from appliance.accounts.usecases import get_user_named
from appliance.errors import InvalidFieldsError, NotFoundError
from appliance.feature_flags import rules, usecases
from appliance.feature_flags.rules import Definition, Gate, Subject
from appliance.namespaces.usecases import find_namespace
from appliance.storage.engine import Db, Session

Clock = Callable[[], datetime]
PATH = "/api/v4/features"
FLAG = f"{PATH}/{{name:str}}"


SHARE = "percentage_of_actors"
# Each is looked up, and noted in the audit log.
MAX_NAMED = 1000
# What the real instance has beside; a flag is never set for more than was asked for.
NOT_HERE = {
    "feature_group": "there are no groups of actors here; name users or groups instead",
    "project": "flags are not set for single projects; set it for the project's group",
    "repository": "flags are not set for single repositories; set it for the group above",
}


class FlagBody(BaseModel):
    """What to set a flag to: for everyone, or for the named; a number is the share of users.

    Several users or groups are separated by commas, as GitLab's clients send them. `force` sets
    what no file defines there; here nothing does, so it is taken and means nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    value: StrictBool | StrictInt | StrictStr
    key: StrictStr | None = None
    user: StrictStr | None = None
    group: StrictStr | None = None
    namespace: StrictStr | None = None
    feature_group: StrictStr | None = None
    project: StrictStr | None = None
    repository: StrictStr | None = None
    force: StrictBool | StrictStr | None = None

    def check(self) -> None:
        """Passes when everything in it can be done here.

        Raises:
            InvalidFieldsError: with a sentence for each field that cannot.
        """
        problems = {name: why for name, why in NOT_HERE.items() if getattr(self, name) is not None}
        if self.key not in {None, SHARE}:
            problems["key"] = (
                f"must be {SHARE}; a share of the time would turn a feature on and off for a user"
            )
        for name in ("user", "group", "namespace"):
            given = getattr(self, name)
            # Nobody named would be everyone, which an empty variable in a script does not mean.
            if given is not None and not 0 < len(_split(given)) <= MAX_NAMED:
                problems[name] = f"must have 1 to {MAX_NAMED} names, separated by commas"
        if problems:
            raise InvalidFieldsError(problems)

    def subjects(self, session: Session) -> Sequence[Subject]:
        """The named users and groups.

        Raises:
            NotFoundError: one of them does not exist.
        """
        users = [get_user_named(session, each).id for each in _split(self.user)]
        paths = (*_split(self.group), *_split(self.namespace))
        groups = [_group_id(session, each) for each in paths]
        return [*(("user", each) for each in users), *(("namespace", each) for each in groups)]


def _split(names: str | None) -> Sequence[str]:
    return [each.strip() for each in (names or "").split(",") if each.strip()]


def _group_id(session: Session, full_path: str) -> int:
    found = find_namespace(session, full_path)
    if found is None:
        raise NotFoundError(what="Group")
    return found.id


async def read_body(request: Request[Any, Any, Any]) -> FlagBody:
    """What a client wants of a flag: as JSON, or as a form, which is what curl sends.

    Raises:
        InvalidFieldsError: with a sentence for each field that cannot be used.
    """
    is_form = request.content_type[0] == RequestEncodingType.URL_ENCODED
    found = dict(await request.form()) if is_form else await request.json()
    try:
        body = FlagBody.model_validate(found)
    except ValidationError as cause:
        told = {
            ".".join(map(str, each["loc"][:1])) or "body": each["msg"] for each in cause.errors()
        }
        raise InvalidFieldsError(told) from cause
    body.check()
    return body


@get(PATH, opt={"access": Access.ADMIN})
async def list_flags(*, db: NamedDependency[Db]) -> list[dict[str, Any]]:
    """Every flag of this release, and what else was set, by name, with what it was set to."""
    gates = await db.read(usecases.list_gates)
    names = {*rules.load_definitions(), *(gate.flag for gate in gates)}
    return [_show(name, gates) for name in sorted(names)]


@get(f"{PATH}/stale", opt={"access": Access.ADMIN})
async def list_stale(
    *, db: NamedDependency[Db], version: NamedDependency[str]
) -> list[dict[str, Any]]:
    """The flags that should be gone, and why."""
    found = await db.read(lambda session: usecases.list_stale(session, version=version))
    return [
        {"name": each.flag, "kind": each.kind, "group": each.owner or None, "reason": each.reason}
        for each in found
    ]


@get(f"{PATH}/definitions", opt={"access": Access.ADMIN})
async def list_definitions() -> list[dict[str, Any]]:
    """What the flags of this release are for."""
    definitions = rules.load_definitions()
    return [_show_definition(definitions[name]) for name in sorted(definitions)]


@post(FLAG, opt={"access": Access.ADMIN}, dependencies={"wish": Provide(read_body)})
async def set_flag(
    *,
    name: FromPath[str],
    wish: NamedDependency[FlagBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Sets a flag."""
    value = rules.parse_value(wish.value, is_share=wish.key is not None)

    def work(session: Session) -> Sequence[Gate]:
        usecases.set_flag(
            session,
            name,
            value=value,
            subjects=wish.subjects(session),
            actor=caller.actor,
            now=clock(),
        )
        return usecases.list_gates(session)

    gates = await db.write(work)
    return _show(name, gates)


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


def _show(name: str, gates: Sequence[Gate]) -> dict[str, Any]:
    definition = rules.load_definitions().get(name)
    own = [gate for gate in gates if gate.flag == name]
    is_on_by_default = definition is not None and definition.is_on_by_default
    return {
        "name": name,
        "state": rules.state_of(own, is_on_by_default=is_on_by_default),
        "gates": rules.shown_gates(own, is_on_by_default=is_on_by_default),
        "definition": None if definition is None else _show_definition(definition),
    }


def _show_definition(definition: Definition) -> dict[str, Any]:
    return {
        "name": definition.name,
        "feature_issue_url": None,
        "introduced_by_url": None,
        "rollout_issue_url": None,
        "milestone": definition.since,
        "log_state_changes": None,
        "type": definition.kind,
        "group": definition.owner,
        "default_enabled": definition.is_on_by_default,
        "description": definition.description,
        "until": definition.until,
        "features": list(definition.features),
        "push": sorted(definition.push),
    }


handlers = (list_flags, list_definitions, list_stale, set_flag, reset_flag)
