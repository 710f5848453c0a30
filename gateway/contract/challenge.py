"""How a gateway proves at an address that it is the one that is registered.

A POST of a `Challenge` to `CHALLENGE_PATH`, open to anyone; the answer is a `ChallengeAnswer`.
"""

import msgspec

CHALLENGE_PATH = "/monitoring/challenge"
# Domain separation: what is signed here is good for nothing else.
CHALLENGE_CONTEXT = b"casemate gateway challenge 1\n"
MAX_NONCE_CHARS = 128


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """A question that only a registered gateway can answer; `nonce` is printable and fresh."""

    instance_id: str
    nonce: str


class ChallengeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`signature` is base64url without padding: Ed25519 by the gateway over `signed_text`."""

    gateway_id: str
    signature: str


def signed_text(challenge: Challenge) -> bytes:
    """The bytes that an answer signs."""
    return CHALLENGE_CONTEXT + f"{challenge.instance_id}\n{challenge.nonce}".encode()
