import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, delete

from appliance.access_tokens.usecases import ensure_signing_key
from appliance.accounts.rules import Profile
from appliance.accounts.usecases import create_user, raise_generation
from appliance.audit.rules import SYSTEM
from appliance.errors import ApplianceError
from appliance.feature_flags.usecases import set_flag
from appliance.gateway_feed import usecases
from appliance.gateway_feed.rules import encode
from appliance.gateway_feed.usecases import Sources, Standpoint, Wish, documents
from appliance.model_selection.tables.choices import ChoiceRow
from appliance.namespaces.rules import NewGroup
from appliance.namespaces.usecases import (
    create_group,
    delete_group,
    get_namespace,
    parents_among,
)
from appliance.self_hosted_models.rules import Description
from appliance.self_hosted_models.usecases import change_model, create_model, delete_model
from appliance.storage.engine import Db, Session
from appliance.storage.identity import ensure_identity
from appliance.storage.outbox import forget, publish
from appliance.storage.sealing import Sealer
from gateway.contract.feed import FeedDocument, FeedModel, SignedFeed
from gateway.contract.selection import Choice, Group
from tests.instance_builders import NOW, GatewayKeys, a_user, some_sources

KEYS = GatewayKeys()
ADMIN = a_user(id=1, is_admin=True)
Work = Callable[[Session], object]


def _read(signed: SignedFeed) -> FeedDocument:
    text = signed.document
    body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return msgspec.json.decode(body, type=FeedDocument)


@dataclass
class Copy:
    """What a gateway has made of the documents so far; later ones must not contradict earlier."""

    models: dict[str, FeedModel] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    small: dict[str, Any] = field(default_factory=dict)
    credentials: dict[str, int] = field(default_factory=dict)
    dead_keys: dict[str, int] = field(default_factory=dict)
    generations: dict[str, tuple[int, int, bool]] = field(default_factory=dict)
    era: int = 0
    sequence: int = -1

    def take(self, document: FeedDocument) -> None:
        assert document.since in {None, self.sequence}
        self.sequence = document.sequence
        if document.since is None:
            self.models, self.groups = {}, {}
        for number in document.removed_groups:
            self.groups.pop(number, None)
        self.groups |= {each.id: each for each in document.groups}
        for ref in document.removed_models:
            self.models.pop(ref, None)
        for model in document.models:
            # Sealed anew each time.
            self.models[model.ref] = msgspec.structs.replace(model, sealed_api_key=None)
        for name in ("keys", "issuers", "switched_off", "features"):
            part = getattr(document, name)
            self.small[name] = self.small.get(name) if part is None else part
        if (revoked := document.revocations) is not None:
            self.era = revoked.minimum_era
            self.credentials |= {each.credential: each.until for each in revoked.credentials}
            self.dead_keys |= {each.kid: each.until for each in revoked.dead_keys}
            for each in revoked.generations:
                known = self.generations.get(each.subject, (0, 0, False))
                self.generations[each.subject] = (
                    max(known[0], each.generation),
                    max(known[1], each.until),
                    known[2] or each.ends_streams,
                )


@dataclass
class Following:
    """A stream without its connection."""

    db: Db
    sources: Sources
    standpoint: Standpoint

    def step(self) -> FeedDocument | None:
        found = self.db.read_blocking(
            lambda session: usecases.go_on(session, self.standpoint, sources=self.sources, now=NOW)
        )
        if found is None:
            return None
        self.standpoint = found.standpoint
        return _read(found.signed)


def _open(db: Db, sources: Sources, **position: int) -> tuple[Following, FeedDocument]:
    wish = Wish(gateway_id=KEYS.id, stream="s", **position)
    found = db.read_blocking(
        lambda session: usecases.open_stream(session, wish, sources=sources, now=NOW)
    )
    assert found is not None
    return Following(db, sources, found.standpoint), _read(found.signed)


@pytest.fixture
def sources(db: Db, sealer: Sealer) -> Sources:
    """An instance with a gateway and two users, and what its documents are made with."""
    registration = usecases.Registration(
        name="local",
        signing_key=encode(KEYS.signing_public),
        sealing_key=encode(KEYS.sealing_public),
    )

    def fill(session: Session) -> None:
        ensure_identity(session, fresh_id=UUID(int=1), now=NOW)
        ensure_signing_key(session, sealer, now=NOW)
        usecases.ensure_feed_key(session, sealer, now=NOW)
        usecases.ensure_gateway(session, registration, now=NOW)
        for name in ("ada", "bob"):
            profile = Profile(username=name, name=name, email=f"{name}@example.org")
            create_user(session, profile, password_hash=None, actor=SYSTEM, now=NOW)

    db.write_blocking(fill)
    return some_sources(sealer)


def _description(number: int, **changes: Any) -> Description:
    fields = {
        "ref": f"model-{number}",
        "name": "A model",
        "endpoint": "http://127.0.0.1:8001/v1",
        "identifier": "m",
        "api_key": "sk",
    }
    return Description(**{**fields, **changes})


NUMBERS = st.integers(1, 3)


def _choosing(group_id: int, ref: str) -> Work:
    def work(session: Session) -> None:
        if parents_among(session, [group_id]):
            session.exec(delete(ChoiceRow).where(col(ChoiceRow.namespace_id) == group_id))
            session.add(
                ChoiceRow(
                    namespace_id=group_id,
                    feature="duo_chat",
                    model_ref=ref,
                    allows_all=True,
                    is_locked=False,
                    created_at=NOW,
                    updated_at=NOW,
                )
            )
            told = {"namespace_id": group_id, "features": ["duo_chat"]}
            publish(session, "group_choice", told, now=NOW)

    return work


def _group_works() -> st.SearchStrategy[Work]:
    def creating(number: int, parent_id: int | None) -> Work:
        new = NewGroup(name="g", path=f"g{number}", parent_id=parent_id)
        return lambda session: create_group(session, new, caller_user=ADMIN, now=NOW)

    def deleting(number: int) -> Work:
        return lambda session: delete_group(
            session, get_namespace(session, number), caller_user=ADMIN, now=NOW
        )

    return st.one_of(
        st.builds(creating, NUMBERS, st.sampled_from([None, 1, 2])),
        NUMBERS.map(deleting),
        st.builds(_choosing, NUMBERS, st.sampled_from(["model-1", "model-2"])),
    )


def _changing(sealer: Sealer, number: int, **changes: Any) -> Work:
    return lambda session: change_model(
        session, number, Description(**changes), sealer=sealer, actor=SYSTEM, now=NOW
    )


def _works(sealer: Sealer) -> st.SearchStrategy[Work]:
    def creating(number: int) -> Work:
        description = _description(number)
        return lambda session: create_model(
            session, description, sealer=sealer, actor=SYSTEM, now=NOW
        )

    def deleting(number: int) -> Work:
        return lambda session: delete_model(session, number, actor=SYSTEM, now=NOW)

    def telling(topic: str, payload: dict[str, Any]) -> Work:
        return lambda session: publish(session, topic, payload, now=NOW)

    return st.one_of(
        NUMBERS.map(creating),
        NUMBERS.map(deleting),
        st.builds(
            lambda number, other: _changing(sealer, number, ref=f"model-{other}"),
            NUMBERS,
            NUMBERS,
        ),
        st.builds(
            lambda number, is_on: _changing(sealer, number, is_enabled=is_on),
            NUMBERS,
            st.booleans(),
        ),
        st.builds(
            lambda number, networks: _changing(sealer, number, allowed_networks=networks),
            NUMBERS,
            st.sampled_from([[], ["10.0.0.0/8"]]),
        ),
        st.sampled_from([(1,), (2,), (1, 2), None]).map(
            lambda ids: lambda session: raise_generation(session, ids, now=NOW)
        ),
        NUMBERS.map(
            lambda number: telling(
                "personal_access_token", {"id": number, "user_id": 1, "change": "revoked"}
            )
        ),
        NUMBERS.map(lambda number: telling("signing_key", {"kid": str(number), "change": "dead"})),
        st.booleans().map(
            lambda is_on: (
                lambda session: set_flag(
                    session, "ai_global_switch", value=is_on, actor=SYSTEM, now=NOW
                )
            )
        ),
        st.just(telling("namespace", {"id": 1})),
        _group_works(),
    )


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_changes_one_after_the_other_come_to_the_same_as_everything(
    db: Db, sealer: Sealer, sources: Sources, data: st.DataObject
) -> None:
    follower, first = _open(db, sources)
    copy = Copy()
    copy.take(first)
    works = data.draw(st.lists(st.tuples(_works(sealer), st.booleans()), max_size=12))
    for work, is_told in works:
        try:
            db.write_blocking(work)
        except ApplianceError:
            continue
        if is_told and (document := follower.step()) is not None:
            copy.take(document)
    last = follower.step()
    assert last is not None
    copy.take(last)
    _, everything = _open(db, sources)
    fresh = Copy()
    fresh.take(everything)
    assert copy == fresh


def test_the_first_group_that_chooses_shuts_out_who_does_not_understand_it(
    db: Db, sources: Sources
) -> None:
    follower, first = _open(db, sources)
    assert first.requires == ()
    assert first.features is not None
    db.write_blocking(
        lambda session: create_group(
            session, NewGroup(name="g", path="g"), caller_user=ADMIN, now=NOW
        )
    )
    made = follower.step()
    assert made is not None
    assert (made.groups, made.requires) == ((Group(1),), ())
    db.write_blocking(_choosing(1, "model-1"))
    chosen = follower.step()
    assert chosen is not None
    assert (chosen.groups, chosen.features) == (
        (Group(1, None, (Choice("duo_chat", "model-1"),)),),
        None,
    )
    assert chosen.requires == ("selections",)


@pytest.mark.parametrize("limit", [1, 10])
def test_many_changed_groups_are_told_like_a_few(
    db: Db, sources: Sources, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(documents, "NAMED_GROUPS", limit)
    follower, _ = _open(db, sources)

    def make_three(session: Session) -> None:
        for number in range(3):
            new = NewGroup(name="g", path=f"g{number}")
            create_group(session, new, caller_user=ADMIN, now=NOW)

    db.write_blocking(make_three)
    found = follower.step()
    assert found is not None
    assert {each.id for each in found.groups} == {1, 2, 3}


def test_a_change_of_the_sealing_key_has_everything_said_anew(db: Db, sources: Sources) -> None:
    follower, _ = _open(db, sources)
    other = GatewayKeys(signing=KEYS.signing)
    registration = usecases.Registration(
        name="local",
        signing_key=encode(other.signing_public),
        sealing_key=encode(other.sealing_public),
    )
    db.write_blocking(lambda session: usecases.ensure_gateway(session, registration, now=NOW))
    document = follower.step()
    assert document is not None
    assert document.since is None


def test_what_is_forgotten_under_an_open_stream_is_said_anew(db: Db, sources: Sources) -> None:
    follower, _ = _open(db, sources)
    for _ in range(2):
        db.write_blocking(lambda session: raise_generation(session, None, now=NOW))
    late = NOW + timedelta(days=1)
    db.write_blocking(lambda session: forget(session, before=late))
    document = follower.step()
    assert document is not None
    assert document.since is None


def test_what_was_revoked_over_an_hour_ago_is_in_no_snapshot(db: Db, sources: Sources) -> None:
    before = NOW - timedelta(minutes=63)
    db.write_blocking(lambda session: raise_generation(session, [1], now=before))
    db.write_blocking(lambda session: raise_generation(session, [2], now=NOW))
    _, document = _open(db, sources)
    assert document.revocations is not None
    (kept,) = document.revocations.generations
    assert kept.subject == sources.minter.global_user_id(2)


def test_a_gateway_that_is_gone_is_told_nothing(db: Db, sources: Sources) -> None:
    follower, _ = _open(db, sources)
    db.write_blocking(
        lambda session: usecases.remove_gateway(session, "local", actor=SYSTEM, now=NOW)
    )
    assert follower.step() is None
    wish = Wish(gateway_id=KEYS.id, stream="s")
    assert (
        db.read_blocking(
            lambda session: usecases.open_stream(session, wish, sources=sources, now=NOW)
        )
        is None
    )


def test_a_heartbeat_says_only_when_it_was_made(db: Db, sources: Sources) -> None:
    follower, first = _open(db, sources)
    beat = _read(usecases.heartbeat(follower.standpoint, now=NOW + timedelta(seconds=1)))
    assert beat == FeedDocument(
        instance_id=first.instance_id,
        gateway_id=KEYS.id,
        epoch=first.epoch,
        sequence=first.sequence,
        since=first.sequence,
        stream="s",
        issued_at=first.issued_at + 1,
        clock_ms=first.clock_ms + 1000,
    )
