import asyncio
from datetime import timedelta

import pytest
from litestar.testing import AsyncTestClient
from sqlalchemy import event

from appliance.access_tokens import usecases
from appliance.access_tokens.jobs import jobs_of_keys
from appliance.access_tokens.rules import Timing
from appliance.app import create_app
from appliance.storage.engine import Db
from appliance.storage.sealing import Sealer
from tests.appliance.conftest import FilledHome
from tests.instance_builders import NOW, SetClock

TIMING = Timing(life=timedelta(days=1), max_age=timedelta(minutes=1))


class Rotation:
    """The job on a database, with a clock that is set and one gateway."""

    def __init__(self, db: Db, sealer: Sealer) -> None:
        self.db, self.clock = db, SetClock()
        self.held: dict[str, frozenset[str]] = {}
        (self.job,) = jobs_of_keys(sealer, TIMING, lambda _, __: self.held)

    async def tick(self) -> bool:
        """One turn; whether anything was due."""
        work = await self.job.plan(self.db, self.clock())
        if work is None:
            return False
        await self.db.write(lambda session: work(session, self.clock()))
        return True

    def keys(self) -> dict[str, str]:
        return {each.state: each.kid for each in self.db.read_blocking(usecases.signing_keys)}


@pytest.fixture
def rotation(db: Db, sealer: Sealer) -> Rotation:
    db.write_blocking(lambda session: usecases.ensure_signing_key(session, sealer, now=NOW))
    return Rotation(db, sealer)


async def test_a_key_is_made_published_taken_over_and_forgotten(rotation: Rotation) -> None:
    first = rotation.keys()["current"]
    assert not await rotation.tick()
    rotation.clock.advance(days=1, minutes=-1)
    assert await rotation.tick()
    following = rotation.keys()["next"]
    assert not await rotation.tick()
    rotation.held = {"far": frozenset({first})}
    rotation.clock.advance(minutes=5)
    assert not await rotation.tick(), "a gateway lacks it"
    rotation.held = {"far": frozenset({first, following})}
    assert await rotation.tick()
    assert rotation.keys() == {"current": following, "retired": first}
    rotation.clock.advance(minutes=61)
    assert await rotation.tick()
    assert rotation.keys() == {"current": following}


async def test_what_is_not_due_costs_a_read(rotation: Rotation) -> None:
    asked: list[str] = []
    event.listen(
        rotation.db.engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2])
    )
    assert not await rotation.tick()
    assert [each.split()[0] for each in asked if each != "BEGIN"] == ["SELECT"]


async def test_what_is_no_longer_due_when_it_is_written_is_left(rotation: Rotation) -> None:
    rotation.clock.advance(days=2)
    works = [await rotation.job.plan(rotation.db, rotation.clock()) for _ in range(2)]
    for work in works:
        assert work is not None
        await rotation.db.write(lambda session: work(session, rotation.clock()))  # noqa: B023  # run at once
    assert sorted(rotation.keys()) == ["current", "next"]


async def test_an_instance_rotates_by_itself(
    filled: FilledHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.timed_jobs.FIRST_AFTER", timedelta())
    clock = SetClock()
    app = create_app(filled.settings(key_set_max_age=timedelta()), clock=clock)
    async with AsyncTestClient(app) as client, asyncio.timeout(20):

        async def kids() -> list[str]:
            answer = await client.get("/oauth/discovery/keys")
            assert answer.headers["cache-control"] == "public, max-age=0"
            return [each["kid"] for each in answer.json()["keys"]]

        (first,) = await kids()
        clock.advance(days=90)
        db: Db = app.state.db
        # The instance has an event loop of its own, to which `db.read` belongs.
        while db.read_blocking(usecases.signing_keys)[0].state != "retired":
            await asyncio.sleep(0.05)
        assert (await kids())[0] == first
        assert len(await kids()) == 2
