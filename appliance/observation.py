"""Sees every request: gives it an id, counts and times it, logs it, and sets the safe headers."""

import re
import time
from uuid import uuid4

import structlog
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Asked every second or so by programs: counted, but not worth a line in the log.
QUIET_PREFIXES = (
    "/-/",
    "/assets/",
    "/api/v4/ai/gateway_feed",
    "/oauth/discovery/keys",
    "/oauth/introspect",
)
SAFE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
NO_ROUTE = "none"

_log = structlog.get_logger()


class Observation:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ("method", "route", "status")
        self._requests = Counter(
            "casemate_instance_requests", "Requests answered", labels, registry=registry
        )
        self._seconds = Histogram(
            "casemate_instance_request_seconds",
            "Time from a request's head to the head of its answer",
            ("route",),
            registry=registry,
        )
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on; the head of an answer is noted and completed."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableScopeHeaders.from_message(message)
                headers["x-request-id"] = request_id
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
                self._note(scope, message["status"], time.perf_counter() - started)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, observed)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        # The route, not the path: a path would make a new series for each number in it.
        route = str(scope.get("path_template") or NO_ROUTE)
        method = str(scope.get("method", ""))
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        note = _log.debug if route.startswith(QUIET_PREFIXES) else _log.info
        duration_ms = round(seconds * 1000, 1)
        note("request_answered", method=method, route=route, status=status, ms=duration_ms)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(text := value.decode("latin-1")):
            return text
    return uuid4().hex
