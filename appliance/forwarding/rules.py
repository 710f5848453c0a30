"""Where a request goes at the gateway, and what of it and of its answer is handed on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from appliance.errors import InvalidFieldsError
from gateway.contract import headers
from gateway.contract.addresses import Network
from gateway.contract.codes import Code
from gateway.contract.compact import CompactToken
from gateway.contract.peers import client_address
from gateway.contract.probing import GATEWAY, Finding

Header = tuple[bytes, bytes]
FORWARDED_FOR = b"x-forwarded-for"

# The member of OpenAI's API that says which question it is.
_PATHS = {"messages": "/v1/chat/completions", "prompt": "/v1/completions"}
# What a gateway of an older release says to a route that it does not have.
_UNKNOWN_THERE = frozenset({Code.NOT_FOUND, Code.METHOD_NOT_ALLOWED})


class _Refused(msgspec.Struct):
    detail: str
    code: str


_refused = msgspec.json.Decoder(_Refused)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])

# Of an answer; everything else is between the instance and the gateway.
_HANDED_BACK = frozenset({"content-type", "content-length", "retry-after", "www-authenticate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request as it came: with which token, from which address; `jti` is for its own token."""

    token: CompactToken
    client_ip: str
    jti: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Onward:
    """Where a request is handed on to, with which token."""

    gateway_url: str
    token: str
    silence_s: int

    def __repr__(self) -> str:
        return f"Onward(gateway_url={self.gateway_url!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWay:
    """How the instance calls the gateway for itself."""

    gateway_url: str
    token: str

    def __repr__(self) -> str:
        return f"OwnWay(gateway_url={self.gateway_url!r})"


def path_of(body: bytes) -> str:
    """The gateway's path for a body in the words of OpenAI's API.

    Raises:
        InvalidFieldsError: no JSON object, or one without a question.
    """
    try:
        members = _members.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise InvalidFieldsError({"body": "must be a JSON object"}) from cause
    for member, path in _PATHS.items():
        if member in members:
            return path
    raise InvalidFieldsError({"messages": "is missing; give messages, or prompt for a completion"})


def onward_headers(
    onward: Onward, *, unit_primitive: str | None, request_id: str
) -> dict[str, str]:
    """What goes to the gateway: the body's kind, who asks, and for which unit primitive."""
    sent = {
        "authorization": f"Bearer {onward.token}",
        "content-type": "application/json",
        "x-request-id": request_id,
    }
    if unit_primitive is not None:
        sent[headers.UNIT_PRIMITIVE] = unit_primitive
    return sent


def handed_back(answered: Mapping[str, str]) -> list[Header]:
    """Of an answer's headers those that the client gets."""
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in answered.items()
        if name.lower() in _HANDED_BACK
    ]


def address_of_client(scope: Mapping[str, Any], trusted_proxies: Sequence[Network]) -> str:
    """Who sent a request or opened a socket, whose ASGI scope it is."""
    peer = scope["client"][0] if scope.get("client") else ""
    return client_address(peer, joined(FORWARDED_FOR, scope["headers"]), trusted_proxies)


def joined(name: bytes, request_headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The lines of a header as one, in their order; "" for none."""
    lines = (value.decode("latin-1") for each, value in request_headers if each == name)
    return ", ".join(lines)


def not_reached(gateway_url: str, reason: str) -> Finding:
    """What a check of a model comes to when the gateway does not answer."""
    return Finding(
        name=GATEWAY,
        success=False,
        code="gateway_unreachable",
        message=f"The gateway at {gateway_url} cannot be reached ({reason}), and only it can try a "
        "model's endpoint.",
        fix="See `casemate status` and `casemate logs gateway`; where the instance calls it is the "
        "setting ai_gateway_url.",
    )


def not_a_gateway(gateway_url: str) -> Finding:
    """What it comes to when something else answers."""
    return Finding(
        name=GATEWAY,
        success=False,
        code="not_a_gateway",
        message=f"What answers at {gateway_url} is not a gateway of this release.",
        fix="Correct the setting ai_gateway_url, or upgrade the gateway.",
    )


def refused_by_gateway(gateway_url: str, body: bytes) -> Finding:
    """What it comes to when the gateway will not try it; `body` is its own answer."""
    try:
        said = _refused.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return not_a_gateway(gateway_url)
    if said.code in _UNKNOWN_THERE:
        return not_a_gateway(gateway_url)
    return Finding(
        name=GATEWAY,
        success=False,
        code=said.code,
        message=f"The gateway at {gateway_url} does not try the endpoint: {said.detail}",
        fix="See `casemate logs gateway`; one that was just started or registered needs a moment.",
    )
