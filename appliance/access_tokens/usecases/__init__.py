"""Mints access tokens, and keeps the keys that they are signed and verified with."""

from appliance.access_tokens.usecases.keys import ensure_signing_key, published_keys
from appliance.access_tokens.usecases.minting import Minter
from appliance.access_tokens.usecases.standings import (
    effective_grant,
    namespace_of_token,
    standing,
)

__all__ = [
    "Minter",
    "effective_grant",
    "ensure_signing_key",
    "namespace_of_token",
    "published_keys",
    "standing",
]
