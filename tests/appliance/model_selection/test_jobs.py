from datetime import timedelta

from appliance.instance_settings.rules import Addresses
from appliance.model_selection import usecases
from appliance.model_selection.jobs import EVERY, jobs_of_offers
from appliance.model_selection.usecases import ModelSync
from appliance.outbound import Reply
from appliance.storage.engine import Db
from gateway.contract.catalog import load_catalog
from tests.appliance.model_selection.rules.definitions.builders import SEED
from tests.instance_builders import NOW

TOLD = Addresses(
    instance_public_url="http://instance.test",
    gateway_public_url="http://gateway.test",
    ai_gateway_url="http://gateway.test",
)


async def test_definitions_are_read_when_they_are_due_and_not_before(db: Db) -> None:
    asked: list[str] = []

    async def fetch(url: str) -> Reply:
        asked.append(url)
        return Reply(status=200, body=SEED)

    interval = timedelta(minutes=10)
    sync = ModelSync(fetch, TOLD, catalog=load_catalog(), interval=interval, chance=lambda: 0.0)
    (job,) = jobs_of_offers(sync)
    work = await job.plan(db, NOW)
    assert work is not None
    await db.write(lambda session: work(session, NOW))
    assert len(await db.read(usecases.list_offered)) == 3
    assert await job.plan(db, NOW + interval - EVERY) is None
    assert await job.plan(db, NOW + interval) is not None
    assert asked == ["http://gateway.test/v1/models/definitions"] * 2
