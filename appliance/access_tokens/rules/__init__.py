"""What an access token says, how a signing key is named, and what is published of it."""

from appliance.access_tokens.rules.grants import (
    Standing,
    are_suggestions_open,
    chat_contexts,
    effective,
    guards,
    is_chat_open,
)
from appliance.access_tokens.rules.keys import (
    KeyState,
    PublicKey,
    generate_key,
    private_bytes,
    private_key,
    public_half,
)
from appliance.access_tokens.rules.minting import (
    EDITOR_LIFETIME,
    FORWARDED_LIFETIME,
    AccessToken,
    Origin,
    Purpose,
    Subject,
    client_headers,
    global_user_id,
    sign,
    token_claims,
)
from appliance.access_tokens.rules.publishing import (
    KEY_SET_MAX_AGE_S,
    discovery_document,
    entity_tag,
    matches_entity_tag,
)

__all__ = [
    "EDITOR_LIFETIME",
    "FORWARDED_LIFETIME",
    "KEY_SET_MAX_AGE_S",
    "AccessToken",
    "KeyState",
    "Origin",
    "PublicKey",
    "Purpose",
    "Standing",
    "Subject",
    "are_suggestions_open",
    "chat_contexts",
    "client_headers",
    "discovery_document",
    "effective",
    "entity_tag",
    "generate_key",
    "global_user_id",
    "guards",
    "is_chat_open",
    "matches_entity_tag",
    "private_bytes",
    "private_key",
    "public_half",
    "sign",
    "token_claims",
]
