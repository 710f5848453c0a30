"""The claims of an access token, as the instance mints and the gateway verifies them."""

from typing import Literal

import msgspec

AUDIENCE = "gitlab-ai-gateway"
ALGORITHM = "RS256"

# Clocks of machines without a time source drift; a token from up to this far ahead is taken.
LEEWAY_S = 10

# No token that an instance mints lives longer; what is revoked is remembered for as long.
LONGEST_LIFE_S = 3600

Use = Literal["direct", "forwarded", "instance"]
Realm = Literal["self-managed", "saas"]


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What one access token says; times are whole seconds since the epoch.

    `scopes` are unit primitives, `providers` are entitlements, `flags` the feature flags that are
    on for the user. `ns` is the id of the one namespace the token is for, `root_ns` that of the
    top of its tree; both None for a token of the whole instance. `cred` is the credential it was
    obtained with, `gen` the user's grant generation at that moment and `era` the instance's own;
    both only grow. `client_ip` is in `forwarded` tokens only.
    """

    iss: str
    aud: tuple[str, ...]
    sub: str
    iat: int
    nbf: int
    exp: int
    jti: str
    gitlab_realm: Realm
    gitlab_instance_id: str
    scopes: frozenset[str]
    providers: frozenset[str]
    use: Use
    flags: frozenset[str] = frozenset()
    ns: int | None = None
    root_ns: int | None = None
    cred: str | None = None
    gen: int = 0
    era: int = 0
    client_ip: str | msgspec.UnsetType = msgspec.UNSET
