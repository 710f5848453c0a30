"""A laboratory whose requests go to a fake gateway."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest
from aiohttp import ClientResponse

from appliance.access_tokens.usecases import Minter, ensure_signing_key
from appliance.ai_actions.rules import Message, Request
from appliance.ai_actions.usecases import Running
from appliance.ai_actions.usecases.answering import ActionRunner
from appliance.ai_actions.usecases.asking_gateway import GatewayAsker
from appliance.instance_settings.rules import Addresses
from appliance.outbound import Outbound
from appliance.storage.engine import Db
from appliance.storage.identity import Identity
from appliance.storage.sealing import Sealer
from gateway.contract.addresses import DEFAULT_NETWORKS
from gateway.contract.egress import EgressPolicy
from tests.appliance.ai_actions.usecases.builders import CATALOG, Lab, an_equipped_lab
from tests.fakes.gateway import FakeGateway
from tests.instance_builders import SetClock


class Hasty(Outbound):
    """Waits as long as a test says; the setting's least is a minute."""

    silence_s: float | None = None

    def post(
        self, url: str, body: bytes, *, headers: Mapping[str, str], silence_s: float | None
    ) -> AbstractAsyncContextManager[ClientResponse]:
        silence_s = self.silence_s or silence_s
        return super().post(url, body, headers=headers, silence_s=silence_s)


@dataclass
class Post:
    """What asks for a laboratory's people, and the gateway that it asks."""

    lab: Lab
    gateway: FakeGateway
    outbound: Hasty
    asker: GatewayAsker
    runner: ActionRunner
    clock: SetClock

    def running(self, request: Request, tell: Callable[[Request, Message], object]) -> Running:
        return Running(request=request, db=self.lab.db, clock=self.clock, tell=tell, uid="answer-1")


@pytest.fixture
async def fake_gateway() -> AsyncIterator[FakeGateway]:
    gateway = FakeGateway()
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest.fixture
async def post(db: Db, sealer: Sealer, fake_gateway: FakeGateway) -> AsyncIterator[Post]:
    lab, clock = an_equipped_lab(db), SetClock()
    lab.write(lambda session: ensure_signing_key(session, sealer, now=clock()))
    url = fake_gateway.url
    told = Addresses(
        instance_public_url="http://instance.test", gateway_public_url=url, ai_gateway_url=url
    )
    identity = Identity(instance_id="i", feed_epoch=1)
    minter = Minter(sealer, identity, told=told, catalog=CATALOG, version="1.0")
    outbound = Hasty(EgressPolicy(DEFAULT_NETWORKS))
    async with outbound.run():
        asker = GatewayAsker(db, outbound, minter=minter, told=told, catalog=CATALOG, clock=clock)
        runner = ActionRunner(asker, catalog=CATALOG)
        yield Post(lab, fake_gateway, outbound, asker, runner, clock)
