"""Personal access tokens at the gateway: their form, and how it asks what one opens (RFC 7662).

The question is a POST of `token=...` and, where a group is asked for, `namespace_id=...`,
form-encoded, with the gateway's assertion as its Bearer token. The answer is `{"active": false}`,
or `{"active": true}` with the members of `Claims` beside it.
"""

import re
import zlib

import msgspec

INTROSPECTION_PATH = "/oauth/introspect"
# For how long an answer may be relied on, good or bad; a revocation ends it at once.
INTROSPECTED_FOR_S = 30

PAT_PREFIX = "casemate-pat-"
_CHECKSUM_CHARS = 8
_PAT = re.compile(re.escape(PAT_PREFIX) + r"[a-z2-7]{32}[0-9a-f]{8}")


class Introspected(msgspec.Struct, frozen=True):
    """Whether the token opens anything at the gateway now."""

    active: bool


def pat_checksum(body: str) -> str:
    """The last eight characters of a token that begins with `body`."""
    return f"{zlib.crc32(body.encode()):08x}"


def is_well_formed_pat(text: str) -> bool:
    """Whether form and checksum fit, so that only what an instance may have made is looked up."""
    body, checksum = text[:-_CHECKSUM_CHARS], text[-_CHECKSUM_CHARS:]
    return _PAT.fullmatch(text) is not None and pat_checksum(body) == checksum
