"""What a gateway's answers come to when they are no answer to the question."""

from http import HTTPStatus
from typing import Any

import msgspec

from appliance.ai_actions.rules.rights import code_of_refusal

TIMED_OUT = "A1000"
UNREACHABLE = "A1001"
UNREADABLE = "A1002"
BROKE_OFF = "A1003"
NOT_PROCESSED = "A1004"
TOO_LONG = "A1005"
EMPTY = "A6000"
NO_SUCH_TOOL = "G3001"
TOO_LONG_CODES = frozenset({"prompt_too_long", "request_too_large"})

_RIGHTS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN})
_MODEL_SIDE = frozenset(
    {
        HTTPStatus.MISDIRECTED_REQUEST,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    }
)


class Refusal(msgspec.Struct):
    """The body of a refusal, of which only what is fit for a log is read."""

    code: str = ""
    decision_id: str = ""


_decoder = msgspec.json.Decoder(Refusal)


def read_refusal(body: bytes) -> Refusal:
    """What a body says; nothing when it is none of the gateway's."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refusal()


def code_of_status(status: int, refusal: str, unit_primitive: str) -> str:
    """The code for an answer with that status and the gateway's own code, "" for none."""
    if status in _RIGHTS:
        return code_of_refusal(refusal, unit_primitive)
    if status in _MODEL_SIDE:
        return UNREACHABLE
    if status == HTTPStatus.GATEWAY_TIMEOUT:
        return TIMED_OUT
    if refusal in TOO_LONG_CODES or status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TOO_LONG
    if refusal == "model_not_found":
        return UNREACHABLE
    return NOT_PROCESSED


def code_of_event(message: Any) -> str:
    """The code for an error event of a conversation, which says only a sentence."""
    text = str(message).casefold()
    if "prompt is too long" in text or "prompt_too_long" in text:
        return TOO_LONG
    if "tool not available" in text:
        return NO_SUCH_TOOL
    return NOT_PROCESSED
