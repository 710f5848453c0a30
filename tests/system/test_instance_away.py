"""A gateway whose instance is gone: it serves on what it has, for as long as it was told."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.system.organisation import Organisation

# Long enough that a gateway on a slow machine is up again well within it.
BUDGET_S = 15.0
LATER_S = 10.0
LONG_S = 90.0


@dataclass(frozen=True)
class Place:
    """A running instance and gateway, and a token that is good for a quarter of an hour."""

    organisation: Organisation
    token: str
    http: httpx.AsyncClient

    async def status(self) -> int:
        """How the gateway answers the token; 0 while it does not listen."""
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            return (await self.http.get("/v1/models", headers=headers)).status_code
        except httpx.TransportError:
            return 0

    async def until_kept(self) -> None:
        """Waits until the gateway has on its disk what it needs to serve alone."""
        state = self.organisation.home / "gateway"
        async with asyncio.timeout(LONG_S):
            while not all((state / f"{name}.sealed").exists() for name in ("feed", "key_set")):
                await asyncio.sleep(0.05)

    async def until(self, status: int) -> float:
        """When the gateway first answered so, on the steady clock."""
        deadline = time.monotonic() + LONG_S
        while time.monotonic() < deadline:
            if await self.status() == status:
                return time.monotonic()
            await asyncio.sleep(0.05)
        message = f"never {status}"
        raise TimeoutError(message)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    told = {"CASEMATE_KEY_SET_STALE_BUDGET": f"PT{BUDGET_S}S", "CASEMATE_KEY_SET_REFRESH": "PT1S"}
    organisation = Organisation(home=tmp_path / "home", told=told)
    await asyncio.to_thread(organisation.found)
    try:
        for name in ("mock", "instance", "gateway"):
            organisation.start(name)
        await organisation.until_ready()
        admin = organisation.admin()
        async with admin.http:
            token = await admin.mint((await admin.hire("anna")).pat)
        url = f"http://127.0.0.1:{organisation.ports['gateway']}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as http:
            yield Place(organisation, token, http)
    finally:
        organisation.end()


async def test_it_serves_across_its_own_restart_until_the_budget_ends_and_recovers(
    place: Place,
) -> None:
    assert await place.status() == 200
    await place.until_kept()
    place.organisation.kill("instance")
    away_since = time.monotonic()
    place.organisation.kill("gateway")
    place.organisation.start("gateway")
    served_at = await place.until(200)
    ended_at = await place.until(503)
    assert served_at < ended_at
    # Confirmed a moment before the kill at the latest, so never much after the budget.
    assert ended_at - away_since < BUDGET_S + LATER_S
    refused = await place.http.get("/v1/models", headers={"Authorization": f"Bearer {place.token}"})
    assert refused.json()["error"]["code"] == "identity_unavailable"
    assert refused.headers["retry-after"]
    place.organisation.start("instance")
    with suppress(TimeoutError):
        await place.until(200)
    assert await place.status() == 200
