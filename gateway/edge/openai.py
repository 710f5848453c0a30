"""OpenAI's surface: models, chat completions and completions, whole and streamed."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from litestar.types import Receive, Scope, Send

from gateway.contract import headers
from gateway.contract.claims import Claims
from gateway.edge.admitting.choosing import NOT_NAMED, Chooser
from gateway.edge.admitting.gate import Gate
from gateway.edge.boundary import Boundary
from gateway.edge.calls.passing import Passing
from gateway.edge.calls.relay import Call, Relay
from gateway.edge.exchange import Exchange
from gateway.edge.metrics import Metrics
from gateway.errors import (
    GatewayError,
    InvalidRequestError,
    MethodNotAllowedError,
    ModelNotFoundError,
    RouteNotFoundError,
    UnsupportedMediaTypeError,
)
from gateway.policy.permits import required_unit_primitive
from gateway.policy.routes import ROUTES
from gateway.policy.tenants import cache_salt
from gateway.upstream.models import Upstream

MODELS = "/v1/models"
MODEL = "/v1/models/{ref}"
PREFIX = "/v1"


class _Message(msgspec.Struct):
    """What every message of a chat has; parts of its content are the model's to judge."""

    role: str
    content: msgspec.Raw = msgspec.Raw(b"null")


_messages = msgspec.json.Decoder(list[_Message])
_prompt = msgspec.json.Decoder(str | list[msgspec.Raw])


def _check_messages(text: bytes | msgspec.Raw) -> None:
    for message in _messages.decode(text):
        # Text, parts or nothing: some engines take an object for an empty list and talk at random.
        if bytes(message.content)[:1] not in {b'"', b"[", b"n"}:
            reason = "content is neither text nor parts"
            raise msgspec.ValidationError(reason)


# The member that carries the question, and what refuses one of the wrong shape.
_QUESTIONS: dict[str, tuple[str, Callable[[bytes | msgspec.Raw], object]]] = {
    "/v1/chat/completions": ("messages", _check_messages),
    "/v1/completions": ("prompt", _prompt.decode),
}
SERVED = (("GET", MODELS), ("GET", MODEL), *(("POST", path) for path in _QUESTIONS))

_ERROR_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_UNIT_PRIMITIVE = headers.UNIT_PRIMITIVE.lower().encode()
_TRUE = msgspec.Raw(b"true")

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_flag = msgspec.json.Decoder(bool | None)


@dataclass(slots=True, kw_only=True)
class Question:
    """What the gateway understood of a request body; `members` are as the client wrote them.

    `model` is empty if none is named.
    """

    model: str
    members: dict[str, msgspec.Raw]
    stream: bool
    wants_usage: bool


def parse_question(path: str, body: bytes) -> Question:
    """Reads the members the gateway acts on; the others stay as they came.

    Raises:
        InvalidRequestError: not a JSON object, or a member of the wrong type.
    """
    members = _object(body, param=None)
    name, check = _QUESTIONS[path]
    try:
        body.decode()
        check(members.get(name, b""))
    except UnicodeDecodeError as cause:
        raise InvalidRequestError(message="The request body must be UTF-8.") from cause
    except (msgspec.DecodeError, RecursionError) as cause:
        message = f"{name!r} is missing or of the wrong type."
        raise InvalidRequestError(message=message, param=name) from cause
    try:
        model = _text.decode(members.get("model", b'""'))
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise InvalidRequestError(message=NOT_NAMED, param="model") from cause
    stream = _boolean(members, "stream")
    wants_usage = True
    if stream:
        options = _object(members.get("stream_options", b"{}"), param="stream_options")
        wants_usage = _boolean(options, "include_usage")
        options["include_usage"] = _TRUE
        members["stream_options"] = msgspec.Raw(msgspec.json.encode(options))
    return Question(model=model, members=members, stream=stream, wants_usage=wants_usage)


def _object(text: bytes | msgspec.Raw, *, param: str | None) -> dict[str, msgspec.Raw]:
    if bytes(text) == b"null":
        return {}
    try:
        return _members.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        what = f"{param!r}" if param else "The request body"
        raise InvalidRequestError(message=f"{what} must be a JSON object.", param=param) from cause


def _boolean(members: Mapping[str, msgspec.Raw], name: str) -> bool:
    try:
        return bool(_flag.decode(members.get(name, b"false")))
    except msgspec.DecodeError as cause:
        raise InvalidRequestError(message=f"{name!r} must be true or false.", param=name) from cause


def error_body(error: GatewayError) -> bytes:
    """An error as OpenAI's clients read it, with our stable code inside."""
    kind = "server_error" if error.status >= 500 else "invalid_request_error"  # noqa: PLR2004  # the class of server errors
    inner: dict[str, object] = {
        "message": error.message,
        "type": _ERROR_TYPES.get(error.status, kind),
        "param": error.param,
        "code": error.code,
    }
    if error.decision_id is not None:
        inner["decision_id"] = error.decision_id
    return msgspec.json.encode({"error": inner})


class OpenAISurface:
    """An ASGI application for everything below `/v1`."""

    def __init__(
        self,
        *,
        gate: Gate,
        chooser: Chooser,
        relay: Relay,
        metrics: Metrics,
        max_body_bytes: int,
    ) -> None:
        self._gate = gate
        self._chooser = chooser
        self._relay = relay
        self._boundary = Boundary(metrics, error_body)
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; whatever goes wrong, in OpenAI's form."""
        await self._boundary.run(Exchange(scope, receive, send), self._serve)

    async def _serve(self, exchange: Exchange) -> None:
        if exchange.path in _QUESTIONS:
            started = time.perf_counter()
            call, answerer = await self._permit(exchange, started)
            await self._relay.run(exchange, call, answerer)
        else:
            await self._show_models(exchange)

    async def _show_models(self, exchange: Exchange) -> None:
        path = exchange.path
        if path != MODELS and not path.startswith(MODELS + "/"):
            raise RouteNotFoundError
        if exchange.method != "GET":
            raise MethodNotAllowedError
        route = MODELS if path == MODELS else MODEL
        claims = await self._gate.admit(exchange.headers, ROUTES["GET", route], "")
        if path == MODELS:
            listed = {"object": "list", "data": self._entries(claims, exchange)}
            await exchange.answer(200, msgspec.json.encode(listed))
        else:
            entries = self._entries(claims, exchange, ref=path.removeprefix(MODELS + "/"))
            if not entries:
                raise ModelNotFoundError(param="model")
            await exchange.answer(200, msgspec.json.encode(entries[0]))

    def _entries(
        self, claims: Claims, exchange: Exchange, *, ref: str | None = None
    ) -> list[dict[str, object]]:
        return [
            _entry(upstream, features)
            for upstream, features in self._chooser.offered(claims, ref=ref)
            if upstream.provider in claims.providers
            and self._gate.lets_in(claims, exchange, upstream)
        ]

    async def _permit(self, exchange: Exchange, started: float) -> tuple[Call, Passing]:
        if exchange.method != "POST":
            raise MethodNotAllowedError
        policy = ROUTES["POST", exchange.path]
        named = exchange.headers.get(_UNIT_PRIMITIVE)
        unit_primitive = required_unit_primitive(policy, named)
        claims = await self._gate.admit(exchange.headers, policy, unit_primitive)
        content_type = exchange.headers.get(b"content-type", b"")
        if not content_type.lower().startswith(b"application/json"):
            raise UnsupportedMediaTypeError
        body = await exchange.read_body(limit_bytes=self._max_body_bytes)
        question = parse_question(exchange.path, body)
        upstream = self._gate.permit(claims, unit_primitive, question.model, exchange=exchange)
        # Whose cache is asked is not the client's to say.
        question.members.pop("cache_salt", None)
        if upstream.takes_cache_salt:
            salt = msgspec.json.encode(cache_salt(claims))
            question.members["cache_salt"] = msgspec.Raw(salt)
        question.members["model"] = msgspec.Raw(msgspec.json.encode(upstream.identifier))
        call = Call(
            route=exchange.path,
            feature=self._gate.feature_of(unit_primitive),
            unit_primitive=unit_primitive,
            started=started,
            upstream=upstream,
            claims=claims,
        )
        return call, Passing(
            exchange.path.removeprefix(PREFIX),
            msgspec.json.encode(question.members),
            stream=question.stream,
            wants_usage=question.wants_usage,
        )


def _entry(upstream: Upstream, features: Sequence[str] | None) -> dict[str, object]:
    entry = {"id": upstream.ref, "object": "model", "created": 0, "owned_by": upstream.provider}
    return entry if features is None else {**entry, "features": features}
