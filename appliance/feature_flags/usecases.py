"""What admins do with feature flags, and what everybody else asks of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from appliance.accounts.rules import User
from appliance.accounts.usecases import raise_generation
from appliance.audit import usecases as audit
from appliance.audit.rules import Actor, Target
from appliance.feature_flags import rules, tables
from appliance.feature_flags.errors import FlagNotFoundError
from appliance.feature_flags.rules import Asker, Definition, Gate, Stale, Subject
from appliance.storage.engine import Session
from appliance.storage.outbox import publish

TOPIC = "feature_flag"


def enabled_flags(
    session: Session, *, user: User | None, namespaces: Sequence[int]
) -> frozenset[str]:
    """Every flag that is on for a user in a group, whose ids from the root down are given."""
    asker = Asker(user_id=user.id if user else None, namespaces=namespaces)
    return rules.on_flags(rules.load_definitions(), tables.gates_for(session, asker), asker)


def flags_of_page(session: Session) -> frozenset[str]:
    """The flags that the console's pages are told are on: those that are on for everyone.

    Pages ask nobody who they are.
    """
    definitions, gates = rules.load_definitions(), tables.all_gates(session)
    on = [name for name, each in definitions.items() if rules.is_on_for_everyone(each, gates)]
    return rules.pushed_to("page", on, definitions)


def get_definition(flag: str) -> Definition:
    """What a flag is for.

    Raises:
        FlagNotFoundError: no such flag.
    """
    definitions = rules.load_definitions()
    definition = definitions.get(flag)
    if definition is None:
        raise FlagNotFoundError(rules.names_near(flag, definitions))
    return definition


def list_gates(session: Session) -> Sequence[Gate]:
    """Everything that was set, of all flags."""
    return tables.all_gates(session)


def flags_off_for_everyone(session: Session) -> frozenset[str]:
    """The flags that are on for no user at all."""
    gates = tables.all_gates(session)
    definitions = rules.load_definitions().values()
    return frozenset(each.name for each in definitions if rules.is_off_for_everyone(each, gates))


def list_stale(session: Session, *, version: str) -> Sequence[Stale]:
    """The flags that should be gone from a release of that version, by name."""
    set_flags = {gate.flag for gate in tables.all_gates(session)}
    return rules.stale_flags(rules.load_definitions(), set_flags, version=version)


def set_flag(
    session: Session,
    flag: str,
    *,
    value: bool | int,
    subjects: Sequence[Subject] = (),
    actor: Actor,
    now: datetime,
) -> None:
    """Turns a flag on or off for everyone or for `subjects`; a number is the share of users.

    Setting it for everyone ends the share of users, and the other way round.

    Raises:
        FlagNotFoundError: no such flag.
        InvalidFieldsError: a share that is no percentage, or that is set for somebody.
    """
    definition, before = get_definition(flag), tables.all_gates(session)
    for gate in rules.gates_of(flag, value, subjects):
        replaced = rules.REPLACES.get(gate.kind)
        if replaced is not None:
            tables.clear_gates(session, flag, kind=replaced)
        tables.set_gate(session, gate, now=now)
        details = {"gate": gate.kind, "subject_id": gate.subject_id, "value": gate.value}
        _tell(session, flag, "feature_flag_set", details=details, actor=actor, now=now)
    _take_back(session, definition, before, now=now)


def reset_flag(session: Session, flag: str, *, actor: Actor, now: datetime) -> None:
    """Forgets what a flag was set to; its default holds again.

    What is left of a flag that no file defines any more is forgotten as well; it opened nothing.

    Raises:
        FlagNotFoundError: no such flag.
    """
    before = tables.all_gates(session)
    is_left_over = flag not in rules.load_definitions() and any(g.flag == flag for g in before)
    definition = None if is_left_over else get_definition(flag)
    tables.clear_gates(session, flag)
    _tell(session, flag, "feature_flag_reset", details={}, actor=actor, now=now)
    if definition is not None:
        _take_back(session, definition, before, now=now)


def _take_back(
    session: Session, definition: Definition, before: Sequence[Gate], *, now: datetime
) -> None:
    # A gateway opens what a token says, and that was said when the flag was on.
    users = rules.narrowed_for(definition, before, tables.all_gates(session))
    raise_generation(session, users, now=now)


def _tell(
    session: Session,
    flag: str,
    action: str,
    *,
    details: Mapping[str, object],
    actor: Actor,
    now: datetime,
) -> None:
    target = Target(kind="feature_flag", id=flag)
    audit.record(session, action, actor=actor, target=target, details=details, now=now)
    publish(session, TOPIC, {"flag": flag}, now=now)
