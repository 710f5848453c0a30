"""What setting a flag means, and how what it was set to is shown."""

from collections.abc import Mapping, Sequence
from typing import Literal

from appliance.errors import InvalidFieldsError
from appliance.feature_flags.rules.evaluating import EVERY_PERCENT, Gate, GateKind, Subject

# What each kind of setting takes the place of.
REPLACES: Mapping[GateKind, GateKind] = {
    "everyone": "percentage_of_users",
    "percentage_of_users": "everyone",
}


def gates_of(flag: str, value: bool | int, subjects: Sequence[Subject]) -> list[Gate]:  # noqa: FBT001  # a flag's value is a boolean or a share
    """What setting a flag to `value` means, for everyone or for `subjects`.

    Raises:
        InvalidFieldsError: a share that is no percentage, or that is set for somebody.
    """
    if isinstance(value, bool):
        return [
            Gate(flag=flag, kind=kind, subject_id=subject_id, value=int(value))
            for kind, subject_id in subjects or (("everyone", 0),)
        ]
    if not 0 <= value <= EVERY_PERCENT:
        raise InvalidFieldsError({"value": "must be true, false or a percentage from 0 to 100"})
    if subjects:
        raise InvalidFieldsError({"value": "must be true or false for a user or a group"})
    return [Gate(flag=flag, kind="percentage_of_users", subject_id=0, value=value)]


def parse_value(value: bool | int | str, *, is_share: bool = False) -> bool | int:  # noqa: FBT001  # a flag's value is a boolean or a share
    """What a client sets a flag to: on, off, or a percentage of the users.

    Raises:
        InvalidFieldsError: none of them.
    """
    text = str(value).lower()
    if text in {"true", "false"} and not is_share:
        return text == "true"
    if text.isascii() and text.isdigit() and len(text) <= len(str(EVERY_PERCENT)):
        return int(text)
    raise InvalidFieldsError({"value": "must be true, false or a percentage from 0 to 100"})


def state_of(
    gates: Sequence[Gate], *, is_on_by_default: bool
) -> Literal["on", "off", "conditional"]:
    """GitLab's word for a flag, given its own gates: whether it depends on whom one asks for."""
    if any(gate.kind != "everyone" for gate in gates):
        return "conditional"
    return "on" if _for_everyone(gates, is_on_by_default=is_on_by_default) else "off"


def _for_everyone(gates: Sequence[Gate], *, is_on_by_default: bool) -> bool:
    everyone = [bool(gate.value) for gate in gates if gate.kind == "everyone"]
    return everyone[0] if everyone else is_on_by_default


def shown_gates(gates: Sequence[Gate], *, is_on_by_default: bool) -> list[dict[str, object]]:
    """What a flag was set to in GitLab's form; for whom it is turned off is listed apart."""
    on = _for_everyone(gates, is_on_by_default=is_on_by_default)
    shares = [gate.value for gate in gates if gate.kind == "percentage_of_users"]
    shown: list[dict[str, object]] = [{"key": "boolean", "value": on}]
    shown += [{"key": "percentage_of_actors", "value": share} for share in shares]
    for key, value in (("actors", 1), ("actors_off", 0)):
        names = [_actor(gate) for gate in gates if gate.value == value and gate.subject_id]
        shown += [{"key": key, "value": names}] if names else []
    return shown


def _actor(gate: Gate) -> str:
    return f"{'User' if gate.kind == 'user' else 'Group'}:{gate.subject_id}"
