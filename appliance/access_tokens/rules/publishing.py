"""What a verifier of our tokens reads: where the keys are, and whether it has them already."""

import hashlib
from typing import Any

from gateway.contract.claims import ALGORITHM, Claims


def discovery_document(issuer: str) -> dict[str, Any]:
    """OpenID Connect discovery, with what a verifier of our tokens needs of it."""
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/oauth/discovery/keys",
        "response_types_supported": ["none"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": sorted(Claims.__struct_fields__),
    }


def entity_tag(body: bytes) -> str:
    """A strong ETag for a body."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def matches_entity_tag(if_none_match: str | None, tag: str) -> bool:
    """Whether a client already has what `tag` names (RFC 9110 section 13.1.2)."""
    if if_none_match is None:
        return False
    held = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return "*" in held or tag in held
