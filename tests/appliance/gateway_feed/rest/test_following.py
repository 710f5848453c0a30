"""The stream of the feed over real connections."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlmodel import col, delete

from appliance.audit.rules import SYSTEM
from appliance.gateway_feed.errors import AssertionRefusedError
from appliance.gateway_feed.rest import following
from appliance.gateway_feed.rules import encode
from appliance.gateway_feed.usecases import Registration, Wish, add_gateway, list_gateways
from appliance.storage.engine import DatabaseUnavailableError, Db, database_url
from appliance.storage.outbox import OutboxRow, last_sequence, publish
from appliance.storage.sealing import Sealer
from gateway.contract.feed import STREAM_PATH, FeedDocument
from tests.appliance.gateway_feed.conftest import Live, an_instance
from tests.instance_builders import NOW, GatewayKeys, some_sources

REF = "smollm2-135m-instruct"


def _is_change(document: FeedDocument) -> bool:
    return bool(document.models or document.removed_models)


async def test_the_first_line_says_everything(live: Live) -> None:
    async with live.stream(jti="one") as reader:
        first = await reader.next()
    assert (first.since, first.stream, first.epoch) == (None, "one", 1)
    assert first.clock_ms == int(live.clock.now.timestamp() * 1000)
    assert [model.ref for model in first.models] == [REF]
    assert first.issuers == ("http://127.0.0.1:8080",)
    assert first.keys is not None
    assert first.revocations is not None
    assert first.switched_off is not None


async def test_a_change_reaches_an_open_stream_and_says_only_what_changed(live: Live) -> None:
    async with live.stream() as reader:
        first = await reader.next()
        await live.change_model(name="Other")
        change = await reader.until(_is_change)
    assert change.since == first.sequence < change.sequence
    assert [model.name for model in change.models] == ["Other"]
    assert (change.keys, change.issuers, change.switched_off, change.revocations) == (None,) * 4


@pytest.mark.parametrize(
    ("wish", "takes_back"),
    [
        ({"value": False, "user": "admin"}, "generations"),
        ({"value": False, "group": "lab"}, "minimum_era"),
        ({"value": 99, "key": "percentage_of_actors"}, "minimum_era"),
        ({"value": False}, "minimum_era"),
    ],
)
async def test_what_a_flag_takes_is_taken_from_tokens_in_hand(
    live: Live, wish: dict[str, Any], takes_back: str
) -> None:
    await live.admin.post("/api/v4/groups", json={"name": "Lab", "path": "lab"})
    async with live.stream() as reader:
        await reader.next()
        path = "/api/v4/features/ai_duo_chat_fix_code_switch"
        assert (await live.admin.post(path, json=wish)).status_code == 201
        change = await reader.until(lambda document: document.revocations is not None)
    assert getattr(change.revocations, takes_back)


async def test_what_another_process_commits_is_found(live: Live) -> None:
    async with live.stream() as reader:
        first = await reader.next()
        other = Db(database_url(live.filled.url))
        with contextlib.closing(other):
            await other.write(lambda session: publish(session, "user", {"id": 1}, now=NOW))
        found = await reader.until(lambda document: document.sequence > first.sequence)
    assert found.since is not None


async def test_a_silent_feed_beats_and_says_nothing(live: Live) -> None:
    async with live.stream(jti="beat") as reader:
        first = await reader.next()
        beat = await reader.next()
        last = await reader.next()
    assert beat.since == beat.sequence == last.sequence == first.sequence
    assert (beat.stream, beat.models, beat.keys, beat.revocations) == ("beat", (), None, None)


async def test_who_was_cut_off_hears_exactly_what_was_missed(live: Live) -> None:
    async with live.stream() as reader:
        held = await reader.next()
    await live.change_model(name="Missed")
    await live.admin.post(
        "/api/v4/users", json={"username": "ada", "name": "Ada", "email": "ada@example.org"}
    )
    async with live.stream(after=held) as reader:
        missed = await reader.next()
    assert missed.since == held.sequence
    assert [model.name for model in missed.models] == ["Missed"]
    # What may change without a change in the outbox is always said.
    assert missed.keys == held.keys
    assert missed.issuers == held.issuers
    async with live.stream(after=missed) as reader:
        nothing = await reader.next()
    assert (nothing.since, nothing.models) == (missed.sequence, ())


async def test_a_position_that_is_not_ours_or_too_old_is_told_everything(live: Live) -> None:
    async with live.stream() as reader:
        held = await reader.next()
    await live.change_model(name="Other")
    await live.db.write(
        lambda session: session.exec(
            delete(OutboxRow).where(col(OutboxRow.sequence) <= held.sequence)
        )
    )
    another_epoch = FeedDocument(
        instance_id="", gateway_id="", epoch=2, sequence=held.sequence + 1, issued_at=0
    )
    ahead = FeedDocument(instance_id="", gateway_id="", epoch=1, sequence=999, issued_at=0)
    below = FeedDocument(instance_id="", gateway_id="", epoch=1, sequence=-1, issued_at=0)
    for position in (held, another_epoch, ahead, below):
        async with live.stream(after=position) as reader:
            assert (await reader.next()).since is None


@pytest.mark.parametrize("query", ["epoch=x&sequence=1", "epoch=1&sequence=1.5"])
async def test_a_position_that_is_none_is_refused(live: Live, query: str) -> None:
    answer = await live.admin.get(f"{STREAM_PATH}?{query}", headers=live.assertion())
    assert answer.status_code == 400


async def _add(live: Live, name: str) -> GatewayKeys:
    keys = GatewayKeys()
    registration = Registration(
        name=name,
        signing_key=encode(keys.signing_public),
        sealing_key=encode(keys.sealing_public),
    )
    await live.db.write(lambda session: add_gateway(session, registration, actor=SYSTEM, now=NOW))
    return keys


async def test_two_gateways_hear_the_same_each_under_its_own_name(live: Live) -> None:
    keys = await _add(live, "second")
    async with live.stream() as one, live.stream(keys) as two:
        await one.next()
        await two.next()
        await live.change_model(name="Both")
        heard = [await each.until(_is_change) for each in (one, two)]
    assert [document.gateway_id for document in heard] == [live.filled.keys.id, keys.id]
    assert [document.models[0].name for document in heard] == ["Both", "Both"]


async def test_the_streams_of_a_removed_gateway_end_and_no_others(live: Live) -> None:
    keys = await _add(live, "second")
    async with live.stream() as stays, live.stream(keys) as leaves:
        await stays.next()
        await leaves.next()
        assert (await live.admin.delete("/api/v4/ai/gateways/second")).status_code == 200
        await leaves.ends()
        await stays.next()
    again = await live.admin.get(STREAM_PATH, headers=live.assertion(keys))
    assert again.status_code == 401


async def test_an_assertion_opens_one_stream(live: Live) -> None:
    async with live.stream(jti="once") as reader:
        await reader.next()
        again = await live.admin.get(STREAM_PATH, headers=live.assertion(jti="once"))
    assert (again.status_code, again.json()["code"]) == (401, "invalid_assertion")


async def test_a_gateway_with_an_open_stream_is_present(live: Live) -> None:
    async with live.stream() as reader:
        await reader.next()
        live.clock.advance(minutes=1)

        async def is_marked() -> bool:
            (gateway,) = await live.db.read(list_gateways)
            at = live.clock.now + timedelta(seconds=1)
            return gateway.is_present(at=at) and gateway.connection(at=at) == "connected"

        async with asyncio.timeout(10):
            while not await is_marked():
                await reader.next()


async def test_a_bounded_number_of_streams_is_open_for_a_gateway(live: Live) -> None:
    async with contextlib.AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(live.stream()) for _ in range(5)]
        for reader in readers[1:]:
            await reader.next()
        await readers[0].ends()
        await readers[-1].next()


async def test_a_stream_ends_after_its_time(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LASTS_S", 0.1)
    async with live.stream() as reader:
        await reader.ends()


async def test_the_instance_stops_at_once_with_streams_open(filled: Any) -> None:
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(an_instance(filled))
        reader = await stack.enter_async_context(running.stream())
        await reader.next()
        running.server.should_exit = True
        # Its patience with open connections is far longer than ours with the stream.
        await reader.ends()
    async with an_instance(filled) as again, again.stream() as reader:
        assert (await reader.next()).sequence == await again.db.read(last_sequence)


def _following(live: Live, gateway_id: str, *, db: Db | None = None) -> following.Following:
    sealer = Sealer.from_file(live.filled.settings().master_key_path)
    return following.Following(
        Wish(gateway_id=gateway_id, stream="s"),
        db=db or live.db,
        streams=live.app.state.streams,
        sources=some_sources(sealer, instance_id=live.filled.instance_id),
        clock=live.clock,
    )


async def _never() -> Any:
    await asyncio.Event().wait()


async def test_a_gateway_that_takes_nothing_is_let_go(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "TAKEN_WITHIN_S", 0.05)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await _never()

    stream = _following(live, live.filled.keys.id)
    async with asyncio.timeout(10):
        await stream(cast("Any", {}), _never, send)


async def test_a_gateway_that_is_removed_before_the_first_line_is_refused(live: Live) -> None:
    async def send(message: Any) -> None:
        raise AssertionError(message)

    with pytest.raises(AssertionRefusedError):
        await _following(live, "gone")(cast("Any", {}), _never, send)


async def test_a_stream_ends_when_the_database_cannot_be_read(live: Live) -> None:
    class GoesAway(Db):
        reads = 0

        async def read(self, work: Any) -> Any:
            self.reads += 1
            if self.reads > 1:
                raise DatabaseUnavailableError
            return await super().read(work)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with contextlib.closing(GoesAway(live.db.engine.url)) as db:
        stream = _following(live, live.filled.keys.id, db=db)
        async with asyncio.timeout(10):
            await stream(cast("Any", {}), _never, send)
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
