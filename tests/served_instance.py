"""An instance on a port of its own, for clients that nobody here wrote."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import gitlab
import uvicorn
from litestar.di import Provide

from appliance.ai_actions.usecases import Deliveries
from appliance.app import create_app
from appliance.storage.engine import Db
from tests.instance_builders import SetClock

if TYPE_CHECKING:
    from tests.appliance.conftest import FilledHome

PATIENCE_S = 60


@dataclass(frozen=True)
class ServedInstance:
    """Where it is, and the admin's token."""

    url: str
    admin_token: str
    db: Db
    deliveries: Deliveries

    def gitlab(self, token: str | None = None) -> gitlab.Gitlab:
        """python-gitlab as the admin, or with another token; it blocks, so ask in a thread."""
        # Its links go to the address in its settings, and nothing listens there.
        client = gitlab.Gitlab(
            self.url, private_token=token or self.admin_token, keep_base_url=True
        )
        client.session.trust_env = False
        return client


@asynccontextmanager
async def served_instance(filled: "FilledHome", **changes: object) -> AsyncIterator[ServedInstance]:
    """Serves it for as long as the block lasts; `changes` are of its settings."""
    app = create_app(filled.settings(**changes), clock=SetClock())
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        timeout_graceful_shutdown=1,
        ws="websockets-sansio",
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(PATIENCE_S):
            while not server.started:
                await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        deliveries = cast("Provide", app.dependencies["deliveries"]).dependency()
        yield ServedInstance(url, filled.secret("token"), app.state.db, deliveries)
        server.should_exit = True
        await serving
