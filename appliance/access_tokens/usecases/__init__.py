"""Mints access tokens, and keeps the keys that they are signed and verified with."""

from appliance.access_tokens.usecases.keys import (
    FreshKey,
    due_step,
    ensure_signing_key,
    forgive_clock,
    kill_key,
    make_key,
    published_keys,
    rotate,
    signing_keys,
    step_rotation,
)
from appliance.access_tokens.usecases.minting import Minter, Recognised, presented_token
from appliance.access_tokens.usecases.standings import (
    effective_grant,
    namespace_of_token,
    standing,
    switched_off,
)

__all__ = [
    "FreshKey",
    "Minter",
    "Recognised",
    "due_step",
    "effective_grant",
    "ensure_signing_key",
    "forgive_clock",
    "kill_key",
    "make_key",
    "namespace_of_token",
    "presented_token",
    "published_keys",
    "rotate",
    "signing_keys",
    "standing",
    "step_rotation",
    "switched_off",
]
