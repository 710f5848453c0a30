"""Proves to whoever asks that this is the gateway that its instance registered."""

from collections.abc import Callable

from litestar import post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import JSONBody

from gateway.contract.challenge import (
    CHALLENGE_PATH,
    MAX_NONCE_CHARS,
    Challenge,
    ChallengeAnswer,
    signed_text,
)
from gateway.issuer.identity import Identity, encode

# A question is an id and a nonce.
MAX_QUESTION_BYTES = 4096

# The answer, or None for another instance's question.
Prove = Callable[[Challenge], ChallengeAnswer | None]


def prover(identity: Identity, instance_id: str | None) -> Prove:
    """Answers for the instance of that id only: what another may learn of us is nothing."""

    def prove(challenge: Challenge) -> ChallengeAnswer | None:
        if challenge.instance_id != instance_id:
            return None
        signature = identity.signing.sign(signed_text(challenge))
        return ChallengeAnswer(gateway_id=identity.gateway_id, signature=encode(signature))

    return prove


@post(
    CHALLENGE_PATH, status_code=200, request_max_body_size=MAX_QUESTION_BYTES, sync_to_thread=False
)
def challenge(data: JSONBody[Challenge], prove: NamedDependency[Prove]) -> ChallengeAnswer:
    """200 with a signature; 404 when the question is not of the instance that is pinned here."""
    if not (0 < len(data.nonce) <= MAX_NONCE_CHARS and data.nonce.isprintable()):
        detail = f"'nonce' must be 1 to {MAX_NONCE_CHARS} printable characters."
        raise HTTPException(status_code=400, detail=detail)
    answer = prove(data)
    if answer is None:
        raise HTTPException(status_code=404, detail="This gateway is not of that instance.")
    return answer
