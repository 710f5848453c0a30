"""A prober, and endpoints for it to try."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from gateway.contract.addresses import DEFAULT_NETWORKS
from gateway.contract.probing import Finding, ModelCheck
from gateway.upstream.egress import EgressGuard
from gateway.upstream.probing import ModelProber
from tests.certificate_builders import Organisation
from tests.fakes.faulty_endpoint import FaultyEndpoint, a_faulty_endpoint

API_KEY = "sk-canary-of-the-model"
Check = Callable[..., Awaitable[tuple[Finding, ...]]]


@pytest.fixture
async def faulty() -> AsyncIterator[FaultyEndpoint]:
    async with a_faulty_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def organisation(tmp_path: Path) -> Organisation:
    return Organisation.make(tmp_path / "organisation")


@pytest.fixture
def guard() -> EgressGuard:
    """The gateway's own, with no model configured."""
    return EgressGuard(DEFAULT_NETWORKS, on_refused=lambda reason: pytest.fail(str(reason)))


@pytest.fixture
def check(guard: EgressGuard) -> Check:
    """Tries an endpoint; believes the authorities that are named, else the system's."""
    probers: dict[Path | None, ModelProber] = {}

    async def run(
        endpoint: str,
        identifier: str = "demo",
        *,
        api_key: str | None = None,
        ca: Path | None = None,
    ) -> tuple[Finding, ...]:
        if ca not in probers:
            probers[ca] = ModelProber(guard, trusted=ssl.create_default_context(cafile=ca))
        wish = ModelCheck(endpoint=endpoint, identifier=identifier, api_key=api_key)
        return await probers[ca].check(wish)

    return run
