"""Lets one part of an address be a full path: its slashes are escaped and must not split it."""

import re
from urllib.parse import unquote

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

# Stands for an escaped slash while a route is looked for; no name or path may hold it.
STAND_IN = "\x1f"
ESCAPED = re.compile("%2f", re.IGNORECASE)


class EscapedSlashes:
    """An ASGI application around another one, which finds routes by the decoded address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on, with a stand-in for each escaped slash."""
        if scope["type"] == ScopeType.HTTP:
            address = (scope.get("raw_path") or b"").split(b"?")[0].decode("latin-1")
            parts = ESCAPED.split(address)
            if len(parts) > 1:
                scope["path"] = STAND_IN.join(unquote(part) for part in parts)
        await self._app(scope, receive, send)


def named(part: str) -> str:
    """What a part of an address names, with its slashes back."""
    return part.replace(STAND_IN, "/")
