"""What actions ask for is what the gateway has, and what it answers is what they understand."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from appliance.access_tokens.rules import AccessToken, Purpose
from appliance.access_tokens.usecases import Minter
from appliance.accounts.rules import Caller
from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules import ActionName, Answer, ResourceKind
from appliance.ai_actions.rules.catalogue import ACTIONS
from appliance.ai_actions.rules.gateway.answers import AgentEvent, TextDelta
from appliance.ai_actions.usecases import Running
from appliance.ai_actions.usecases.actions import GATHERERS
from appliance.ai_actions.usecases.answering import ActionRunner
from appliance.ai_actions.usecases.asking_gateway import GatewayAsker
from appliance.instance_settings.rules import Addresses
from appliance.namespaces.rules import Namespace
from appliance.outbound import Outbound
from appliance.storage.engine import Db, Session, database_url
from appliance.storage.migrations import migrate
from gateway.contract.addresses import DEFAULT_NETWORKS
from gateway.contract.claims import Claims
from gateway.contract.egress import EgressPolicy
from gateway.contract.feed import SELECTIONS
from gateway.contract.selection import Feature
from gateway.issuer.identity import make_identity
from gateway.issuer.pins import Pin, save_pin
from gateway.settings import Settings
from tests.appliance.ai_actions.usecases.builders import CATALOG, Lab, an_equipped_lab
from tests.builders import INSTANCE_ID, ISSUER, a_feed_key, a_feed_model, a_token, base64url
from tests.fakes.instance import FakeInstance
from tests.fakes.model_endpoint import FakeModelEndpoint
from tests.gateway.conftest import RunningGateway, a_gateway
from tests.instance_builders import SetClock

# Its models take 8,000 tokens, the fewest.
FAMILY = "codegemma"
pytestmark = pytest.mark.usefixtures("one_authority")
GIVEN = {"code": "pass", "content": "Hi", "user_prompt": "Write."}
BRANCHES = {"source_branch": "colder", "target_branch": "main"}


class GoodMinter:
    """Signs with the key that the gateway's instance publishes."""

    def mint(
        self,
        session: Session,
        caller: Caller,
        purpose: Purpose,
        *,
        namespace: Namespace | None,
        now: datetime,
    ) -> AccessToken:
        del session, caller, namespace, now
        text = a_token(scopes=sorted(purpose.scopes or ()), use=purpose.use)
        return AccessToken(text=text, claims=cast("Claims", None), base_url="", headers={})


@dataclass
class Way:
    """An asker, the gateway that it asks, and the model behind it."""

    lab: Lab
    model: FakeModelEndpoint
    asker: GatewayAsker
    clock: SetClock

    async def run(self, action: ActionName, **wish: Any) -> Answer:
        kind: ResourceKind = ACTIONS[action].takes[0]
        fields = {"inputs": {**GIVEN, **BRANCHES}, "resource": self.lab.ref(kind), **wish}
        request = self.lab.request(self.lab.wish(action, **fields))
        running = Running(
            request=request,
            db=self.lab.db,
            clock=self.clock,
            tell=lambda *_: None,
            uid="answer-1",
        )
        return await ActionRunner(self.asker, catalog=CATALOG)(running)

    async def step(self) -> list[AgentEvent]:
        request = self.lab.request(self.lab.wish("chat"))
        body = {"messages": [{"role": "user", "content": "Hi"}]}
        return [event async for event in self.asker.ask_agent(request, body)]

    async def failure(self) -> str:
        with pytest.raises(ActionFailedError) as failed:
            await self.run("explain_code")
        return failed.value.shown_code


async def _tell_features(instance: FakeInstance, gateway: RunningGateway) -> None:
    features = tuple(
        Feature(name=name, default="demo", selectable=frozenset({"demo"}))
        for name in CATALOG.features
    )
    instance.tell(features=features, groups=(), requires=(SELECTIONS,))
    await gateway.catch_up(instance)


def _settings(home: Path, instance: FakeInstance) -> Settings:
    feed_key = base64url(a_feed_key().public_key().public_bytes_raw())
    pin = Pin(instance_id=INSTANCE_ID, feed_key=feed_key, issuer=ISSUER, instance_url=instance.url)
    save_pin(home / "gateway", pin)
    return Settings(home=home, feed_interval=timedelta(seconds=0.05))


@pytest.fixture
async def way(tmp_path: Path) -> AsyncIterator[Way]:
    model, clock = FakeModelEndpoint(), SetClock()
    instance = FakeInstance(make_identity(tmp_path / "gateway"))
    url = database_url(f"sqlite:///{tmp_path}/casemate.db")
    migrate(url)
    async with AsyncExitStack() as stack:
        db = stack.enter_context(closing(Db(url)))
        for each in (model, instance):
            await each.start()
            stack.push_async_callback(each.stop)
        instance.serve(a_feed_model(endpoint=model.url, family=FAMILY))
        gateway = await stack.enter_async_context(a_gateway(_settings(tmp_path, instance)))
        await _tell_features(instance, gateway)
        there = str(gateway.http.base_url).rstrip("/")
        told = Addresses(instance_public_url=ISSUER, gateway_public_url=there, ai_gateway_url=there)
        outbound = Outbound(EgressPolicy(DEFAULT_NETWORKS))
        await stack.enter_async_context(outbound.run())
        minter = cast("Minter", GoodMinter())
        asker = GatewayAsker(db, outbound, minter=minter, told=told, catalog=CATALOG, clock=clock)
        yield Way(an_equipped_lab(db), model, asker, clock)


async def test_every_action_is_answered(way: Way) -> None:
    way.lab.note("Issue", "It is the fan.")
    for action in GATHERERS.keys() - {"summarize_review"}:
        assert (await way.run(action)).content == "one two three"


async def test_a_step_of_chat_is_answered(way: Way) -> None:
    said = [event.text for event in await way.step() if isinstance(event, TextDelta)]
    assert "".join(said) == "one two three"


async def test_what_does_not_fit_is_summed_up_in_parts(way: Way) -> None:
    for _ in range(3):
        way.lab.note("Issue", "It is the fan. " * 1_000)
    answer = await way.run("summarize_comments")
    assert "was summed up in" in answer.content
    assert len(way.model.requests) > 3


async def test_each_fault_of_the_model_has_its_code(way: Way) -> None:
    too_long = (400, "This model's maximum context length is 10 tokens.")
    way.model.refusals = [too_long] * 9
    assert await way.failure() == "A1005"
    way.model.refusals = [(500, "It broke.")]
    assert await way.failure() == "A1001"
    way.model.words = []
    assert await way.failure() == "A6000"
    way.model.words, way.model.break_after = ["one", "two"], 1
    assert await way.failure() == "A1003"
    await way.model.stop()
    assert await way.failure() == "A1001"
