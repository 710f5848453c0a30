"""Which feature flags are on for a request, for what depends on one in the gateway."""

import re
from collections.abc import Collection, Mapping

from gateway.contract import headers
from gateway.contract.claims import Claims
from gateway.issuer.tokens.profiles import Kind

# More are nobody's; each is looked for in every version of a prompt.
MAX_FLAGS = 100

_ENABLED = headers.ENABLED_FEATURE_FLAGS.lower().encode()
_FLAG = re.compile(rb"[a-z][a-z0-9_]{0,254}")


def enabled_flags(
    claims: Claims,
    request_headers: Mapping[bytes, bytes],
    *,
    kind: Kind,
    switched_off: Collection[str],
) -> frozenset[str]:
    """The flags that are on for the bearer, less those that are `switched_off` for everyone.

    Our own tokens say it themselves. A GitLab's say nothing: it pushes flags in a header, which
    counts beside its own token alone, since a user could write one as well.
    """
    if kind == "gitlab":
        named = (each.strip() for each in request_headers.get(_ENABLED, b"").split(b","))
        flags = [each.decode() for each in named if _FLAG.fullmatch(each)]
        return frozenset(flags[:MAX_FLAGS])
    return claims.flags.difference(switched_off)
