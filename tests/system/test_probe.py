"""The check of a model by the real instance and gateway: seven faults, and that each fix mends it.

The server at each endpoint is a real one that has just the fault.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.certificate_builders import Organisation as Authority
from tests.fakes.faulty_endpoint import FaultyEndpoint, a_faulty_endpoint, serving
from tests.system.organisation import Admin, Organisation

PATH = "/ai/self_hosted_models"
API_KEY = "sk-canary-of-the-model"
# Narrower than usual, so that a server of this machine can lie outside.
NETWORKS = ["127.0.0.1/32"]
OUTSIDE = "127.0.0.2"


@dataclass(frozen=True, slots=True)
class Place:
    """A running appliance, its admin, and a model's server that is well until it is told."""

    organisation: Organisation
    admin: Admin
    endpoint: FaultyEndpoint

    async def check(self, **changes: Any) -> dict[str, Any]:
        """What a check of a model says that is not registered."""
        body = {"ref": "big", "endpoint": self.endpoint.url, "identifier": "demo", **changes}
        found: dict[str, Any] = await self.admin.ask("POST", f"{PATH}/check", body)
        return found

    async def restart(self, **told: str) -> None:
        """Starts both services anew with further settings."""
        self.organisation.told.update(told)
        for name in ("gateway", "instance"):
            self.organisation.kill(name)
        for name in ("instance", "gateway"):
            self.organisation.start(name)
        # The gateway remembers what it was fed, and may be ready first.
        await self.organisation._until(f"{self.organisation.instance_url}/-/readiness")
        await self.organisation.until_ready()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    told = {"CASEMATE_ALLOWED_NETWORKS": json.dumps(NETWORKS)}
    organisation = Organisation(home=tmp_path / "home", told=told)
    told["CASEMATE_AI_GATEWAY_URL"] = f"http://127.0.0.1:{organisation.ports['gateway']}"
    await asyncio.to_thread(organisation.found)
    try:
        for name in ("mock", "instance", "gateway"):
            organisation.start(name)
        await organisation.until_ready()
        admin = organisation.admin()
        async with admin.http, a_faulty_endpoint() as endpoint:
            endpoint.api_key = API_KEY
            yield Place(organisation, admin, endpoint)
    finally:
        organisation.end()


@asynccontextmanager
async def own_ca(folder: Path) -> AsyncIterator[tuple[FaultyEndpoint, Path]]:
    """A server with a certificate of an authority that nobody was told of, and that authority."""
    authority = Authority.make(folder / "authority")
    pair = authority.issue("model", "127.0.0.1")
    async with a_faulty_endpoint(serving(*pair)) as secured:
        yield secured, authority.ca


@asynccontextmanager
async def outside() -> AsyncIterator[FaultyEndpoint]:
    """A server at an address that the gateway may not reach."""
    async with a_faulty_endpoint(host=OUTSIDE) as endpoint:
        yield endpoint


def fault(found: dict[str, Any], step: str) -> tuple[str, str, str]:
    """Code, message and fix of what failed."""
    last = found["probes"][-1]
    assert (found["success"], last["name"], last["success"]) == (False, step, False), found
    assert found["errors"] == [f"{last['message']} {last['fix']}"]
    return last["code"], last["message"], last["fix"]


async def test_each_fault_has_its_own_message_and_fix_and_each_fix_mends_it(
    place: Place, tmp_path: Path, free_port: int
) -> None:
    endpoint, told = place.endpoint, {"api_key": API_KEY}
    well = await place.check(**told)
    assert well["success"], well
    seen: list[tuple[str, str, str]] = []

    async def sees(step: str, code: str, **changes: Any) -> dict[str, Any]:
        found = await place.check(**{**told, **changes})
        seen.append(fault(found, step))
        assert seen[-1][0] == code
        proposes: dict[str, Any] = found["details"]["proposes"]
        return proposes

    path = await sees("models", "wrong_path", endpoint=endpoint.root)
    name = await sees("models", "wrong_identifier", identifier="demon")
    for proposed in (path, name):
        assert proposed
        assert (await place.check(**{**told, **proposed}))["success"]
    await sees("models", "api_key_refused", api_key="sk-wrong")
    await sees("address", "port_closed", endpoint=f"http://127.0.0.1:{free_port}/v1")
    endpoint.streams = False
    await sees("stream", "no_streaming")
    endpoint.streams = True
    async with own_ca(tmp_path) as (secured, ca), outside() as far:
        await sees("address", "certificate_untrusted", endpoint=secured.url)
        assert "--ca" in seen[-1][2]
        await sees("address", "address_not_allowed", endpoint=far.url)
        assert not far.asked + secured.asked
        (networks,) = re.findall(r"\[.*\]", seen[-1][2])
        assert json.loads(networks) == [*NETWORKS, f"{OUTSIDE}/32"]
        await place.restart(CASEMATE_ALLOWED_NETWORKS=networks, CASEMATE_CA_FILE=str(ca))
        for server in (secured, far):
            assert (await place.check(**told, endpoint=server.url))["success"]
    for each in zip(*seen, strict=True):
        assert len(set(each)) == len(seen) == 7
    assert "canary" not in all_logs(place)


async def test_a_saved_model_is_checked_with_its_own_key_and_then_answers(place: Place) -> None:
    body = {"ref": "big", "name": "Big", "endpoint": place.endpoint.url, "identifier": "demo"}
    made = await place.admin.ask("POST", PATH, {**body, "api_key": API_KEY})
    found = await place.admin.ask("POST", f"{PATH}/{made['id']}/check", {})
    assert found["success"], found
    elsewhere = {"endpoint": "http://127.0.0.1:1/v1"}
    refused = await place.admin.http.post(f"/api/v4{PATH}/{made['id']}/check", json=elsewhere)
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["api_key"])
    place.organisation.kill("gateway")
    away = await place.admin.ask("POST", f"{PATH}/{made['id']}/check", {})
    assert fault(away, "gateway")[0] == "gateway_unreachable"


def all_logs(place: Place) -> str:
    return "".join(path.read_text() for path in place.organisation.home.glob("*.log"))
