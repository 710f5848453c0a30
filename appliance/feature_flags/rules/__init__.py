"""Which feature flags there are, for whom each is on, and which of them should be gone."""

from appliance.feature_flags.rules.definitions import (
    GLOBAL_SWITCH,
    Definition,
    DefinitionsError,
    load_definitions,
    names_near,
    parse_definitions,
    parse_release,
    pushed_to,
)
from appliance.feature_flags.rules.evaluating import (
    Asker,
    Gate,
    GateKind,
    Subject,
    is_off_for_everyone,
    is_on,
    is_on_for_everyone,
    narrowed_for,
    on_flags,
)
from appliance.feature_flags.rules.setting import (
    REPLACES,
    gates_of,
    parse_value,
    shown_gates,
    state_of,
)
from appliance.feature_flags.rules.staleness import Stale, stale_flags

__all__ = [
    "GLOBAL_SWITCH",
    "REPLACES",
    "Asker",
    "Definition",
    "DefinitionsError",
    "Gate",
    "GateKind",
    "Stale",
    "Subject",
    "gates_of",
    "is_off_for_everyone",
    "is_on",
    "is_on_for_everyone",
    "load_definitions",
    "names_near",
    "narrowed_for",
    "on_flags",
    "parse_definitions",
    "parse_release",
    "parse_value",
    "pushed_to",
    "shown_gates",
    "stale_flags",
    "state_of",
]
