"""Whether the gateway lives, and whether it can do its work."""

from collections.abc import Callable
from typing import Literal

from litestar import Response, get
from litestar.di import NamedDependency

# Each check by name: can tokens be checked, is a configuration known.
Checks = Callable[[], dict[str, bool]]


@get("/monitoring/healthz", sync_to_thread=False)
def healthz() -> dict[Literal["status"], str]:
    """The process answers."""
    return {"status": "ok"}


@get("/health", sync_to_thread=False)
def health() -> None:
    """The same for load tools, which expect an empty answer."""


@get("/monitoring/ready", sync_to_thread=False)
def ready(checks: NamedDependency[Checks]) -> Response[dict[str, object]]:
    """200 when every check holds, else 503; the body says which."""
    results = checks()
    is_ready = all(results.values())
    status = "ready" if is_ready else "unavailable"
    return Response({"status": status, "checks": results}, status_code=200 if is_ready else 503)
