"""A gateway that brings models, and how an instance reads of them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from appliance.audit.rules import SYSTEM
from appliance.instance_settings.rules import Addresses
from appliance.model_selection import usecases
from appliance.model_selection.rules.pool import OfferedModel
from appliance.model_selection.rules.syncing import Plan, Report
from appliance.model_selection.usecases import ModelSync
from appliance.outbound import Reply
from gateway.contract.catalog import load_catalog
from tests.appliance.model_selection.conftest import CHAT, Lab
from tests.appliance.model_selection.rules.definitions.builders import (
    a_defined_feature,
    a_defined_model,
    a_document,
)
from tests.instance_builders import NOW

TOLD = Addresses(
    instance_public_url="http://instance.test",
    gateway_public_url="http://public.test",
    ai_gateway_url="http://gateway.test",
)
INTERVAL = timedelta(minutes=10)


class Desk:
    """A gateway that says what it is told to, and the instance's side of it."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.asked: list[str] = []
        self.says: bytes | int | Exception = b"[]"
        self.sync = ModelSync(
            self._fetch, TOLD, catalog=load_catalog(), interval=INTERVAL, chance=lambda: 0.0
        )

    async def _fetch(self, url: str) -> Reply:
        self.asked.append(url)
        match self.says:
            case bytes(body):
                return Reply(status=200, body=body)
            case int(status):
                return Reply(status=status, body=b"{}")
            case error:
                raise error

    async def plan(self, says: bytes | int | Exception | None = None) -> Plan:
        """One look, and what it would change."""
        self.says = self.says if says is None else says
        look = await self.sync.look(self._lab.do(self.sync.source))
        return self._lab.db.read_blocking(lambda session: self.sync.plan(session, look))

    def take_over(self, plan: Plan, *, at: datetime = NOW) -> Report:
        return self._lab.do(self.sync.apply, plan, actor=SYSTEM, now=at)

    async def run(
        self, says: bytes | int | Exception | None = None, *, at: datetime = NOW
    ) -> Report:
        """One look, taken over."""
        return self.take_over(await self.plan(says), at=at)

    def due(self, *, at: datetime = NOW) -> str | None:
        return self._lab.do(self.sync.due_source, now=at)

    def offered(self) -> Mapping[str, OfferedModel]:
        return {model.ref: model for model in self._lab.do(usecases.list_offered)}


def brings(*models: str, default: str | None = None, **members: Any) -> bytes:
    defined = [a_defined_model(ref, **members) for ref in models]
    return a_document(defined, [a_defined_feature(CHAT, default, *models)])
