"""Ten kinds of refusal, each on real rows; and what becomes of the refusals that are told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import pytest

from appliance.accounts.rules import Caller, Profile, Scope, User
from appliance.accounts.usecases import change_user, create_user
from appliance.audit.rules import SYSTEM, AuditEvent
from appliance.audit.usecases import list_events, verify
from appliance.errors import NotFoundError
from appliance.explanations import usecases
from appliance.explanations.rules import Explanation, Question, Recollection
from appliance.feature_flags.usecases import set_flag
from appliance.licensing.usecases import give_seats, note_time
from appliance.namespaces.rules import AccessLevel, Membership, NewGroup
from appliance.namespaces.usecases import create_group, set_member
from appliance.self_hosted_models.rules import Description
from appliance.self_hosted_models.usecases import create_model
from appliance.storage.engine import Db, Session
from appliance.storage.paging import Page
from appliance.storage.sealing import Sealer
from gateway.contract.events import Decision, RefusedEvent
from tests.appliance.explanations.builders import DAY, a_decision, buy
from tests.instance_builders import NOW, a_pat

FIRST_PAGE = Page(number=1, size=100)


@dataclass
class World:
    """An organisation in which ada may do everything, and what a test breaks of it."""

    db: Db
    sealer: Sealer
    state: Literal["ready", "unreachable"] | None = "ready"
    purchases: dict[str, int] = field(default_factory=dict)

    def write(self, work: Callable[[Session], Any]) -> Any:
        return self.db.write_blocking(work)

    def new_user(self, username: str, **fields: Any) -> User:
        profile = Profile(username=username, name=username, email=f"{username}@e.org", **fields)
        found: User = self.write(
            lambda session: create_user(session, profile, password_hash=None, actor=SYSTEM, now=NOW)
        )
        return found

    def buy(self, add_on: str, **item: Any) -> int:
        number: int = self.write(lambda session: buy(session, add_on, **item))
        return number

    def seat(self, add_on: str, user: User) -> None:
        purchase_id = self.purchases[add_on]
        self.write(
            lambda session: give_seats(
                session, purchase_id, [user.id], actor=SYSTEM, given_by=None, now=NOW
            )
        )

    def model(self, ref: str, **fields: Any) -> None:
        description = Description(
            ref=ref, name=ref, endpoint="http://127.0.0.1:1", identifier=ref, **fields
        )
        self.write(
            lambda session: create_model(
                session, description, sealer=self.sealer, actor=SYSTEM, now=NOW
            )
        )

    def explain(self, asker: User, user: User, **asked: Any) -> Explanation:
        wanted: dict[str, Any] = {"feature": "duo_chat", "model": "tiny", **asked}
        question = Question(user_id=user.id, **wanted)

        def state(_: Session, __: str, ___: datetime) -> Literal["ready", "unreachable"] | None:
            return self.state

        return self.db.read_blocking(
            lambda session: usecases.explain(
                session, as_caller(asker), question, read_state=state, now=NOW
            )
        )


def as_caller(user: User) -> Caller:
    return Caller(user=user, credential=a_pat(Scope.API, user_id=user.id))


@dataclass
class People:
    admin: User
    ada: User


@pytest.fixture
def world(db: Db, sealer: Sealer) -> World:
    return World(db, sealer)


@pytest.fixture
def people(world: World) -> People:
    admin = world.new_user("root", is_admin=True)
    ada = world.new_user("ada")
    world.purchases["duo_enterprise"] = world.buy("duo_enterprise")
    world.purchases["duo_self_hosted"] = world.buy("duo_self_hosted", accompanies="duo_enterprise")
    world.seat("duo_enterprise", ada)
    world.model("tiny")
    return People(admin, ada)


def deciding(found: Explanation) -> tuple[str, str | None]:
    failed = [check.name for check in found.checks if check.state == "failed"]
    assert len(failed) == 1
    return failed[0], found.code


def test_who_has_everything_is_permitted(world: World, people: People) -> None:
    found = world.explain(people.admin, people.ada)
    assert found.verdict == "permitted"
    assert {check.state for check in found.checks} == {"passed"}


def test_a_blocked_user(world: World, people: People) -> None:
    world.write(
        lambda session: change_user(
            session,
            people.ada.id,
            Profile(state="blocked"),
            password_hash=None,
            actor=SYSTEM,
            now=NOW,
        )
    )
    assert deciding(world.explain(people.admin, people.ada)) == ("user", "user_blocked")


@pytest.mark.parametrize(
    ("flag", "check"),
    [("ai_global_switch", "global_switch"), ("ai_duo_chat_switch", "feature_flag")],
)
def test_a_switch_that_is_off(world: World, people: People, flag: str, check: str) -> None:
    switch_off(world, flag)
    assert deciding(world.explain(people.admin, people.ada)) == (check, "feature_not_granted")


def test_nothing_bought(world: World) -> None:
    admin = world.new_user("root", is_admin=True)
    assert deciding(world.explain(admin, admin)) == ("licence", "feature_not_granted")


def test_a_licence_that_expired(world: World) -> None:
    admin = world.new_user("root", is_admin=True)
    world.buy("duo_enterprise", ends_at=NOW - 20 * DAY, grace_ends_at=NOW - 6 * DAY)
    found = world.explain(admin, admin)
    assert deciding(found) == ("licence", "feature_not_granted")
    assert "expired" in next(each.sentence for each in found.checks if each.state == "failed")


def test_no_seat(world: World, people: People) -> None:
    bob = world.new_user("bob")
    assert deciding(world.explain(people.admin, bob)) == ("seat", "feature_not_granted")


def test_a_seat_over_the_limit(world: World) -> None:
    admin, ada = world.new_user("root", is_admin=True), world.new_user("ada")
    ends = {"ends_at": NOW + DAY, "grace_ends_at": NOW + DAY}
    world.purchases["duo_pro"] = world.buy("duo_pro", quantity=1, **ends)
    world.buy("duo_pro", quantity=1)
    world.seat("duo_pro", admin)
    world.seat("duo_pro", ada)
    world.write(lambda session: note_time(session, now=NOW + 2 * DAY))
    found = world.explain(admin, ada)
    assert deciding(found) == ("seat", "feature_not_granted")
    assert "over the limit" in next(
        each.sentence for each in found.checks if each.state == "failed"
    )


def add_member(world: World, people: People, membership: Membership) -> None:
    world.write(lambda session: set_member(session, membership, caller_user=people.admin, now=NOW))


def a_group(world: World, people: People, *members: tuple[User, int]) -> int:
    group = world.write(
        lambda session: create_group(
            session, NewGroup(name="Lab", path="lab"), caller_user=people.admin, now=NOW
        )
    )
    for user, level in members:
        membership = Membership(
            user_id=user.id, namespace_id=group.id, access_level=AccessLevel(level)
        )
        add_member(world, people, membership)
    number: int = group.id
    return number


def test_a_group_of_others(world: World, people: People) -> None:
    group_id = a_group(world, people)
    found = world.explain(people.admin, people.ada, namespace_id=group_id)
    assert deciding(found) == ("namespace", "namespace_not_granted")
    with pytest.raises(NotFoundError):
        world.explain(people.ada, people.ada, namespace_id=group_id)


def test_a_model_that_there_is_not(world: World, people: People) -> None:
    found = world.explain(people.admin, people.ada, model="Tiny")
    assert deciding(found) == ("model", "model_not_found")


def test_a_model_out_of_reach(world: World, people: People) -> None:
    world.state = "unreachable"
    found = world.explain(people.admin, people.ada)
    assert deciding(found) == ("model_state", "model_unavailable")


def test_a_provider_that_is_not_owned(world: World, people: People) -> None:
    world.model("theirs", provider="amazonq")
    found = world.explain(people.admin, people.ada, model="theirs")
    assert deciding(found) == ("entitlement", "provider_not_entitled")


def test_unequal_quantities(world: World, people: People) -> None:
    world.buy("duo_self_hosted", quantity=1, accompanies="duo_enterprise")
    found = world.explain(people.admin, people.ada)
    assert deciding(found) == ("entitlement", "provider_not_entitled")
    assert any("suspended" in check.sentence for check in found.checks)


def test_a_seat_of_another_tenant_opens_nothing(world: World, people: People) -> None:
    bob = world.new_user("bob")
    group_id = a_group(world, people, (bob, 30))
    world.purchases["duo_pro"] = world.buy("duo_pro", root_namespace_id=group_id)
    world.seat("duo_pro", bob)
    found = world.explain(people.admin, bob, namespace_id=group_id)
    assert found.verdict == "permitted"
    # The only root group of a member is the default one.
    assert world.explain(people.admin, bob).verdict == "permitted"
    assert deciding(world.explain(people.admin, people.admin))[0] == "seat"


def switch_off(world: World, flag: str) -> None:
    world.write(lambda session: set_flag(session, flag, value=False, actor=SYSTEM, now=NOW))


def test_nobody_learns_of_others_by_asking(world: World, people: People) -> None:
    bob = world.new_user("bob")
    for asked in ({}, {"namespace_id": a_group(world, people)}, {"namespace_id": 999}):
        with pytest.raises(NotFoundError, match="404 User Not Found"):
            world.explain(bob, people.ada, **asked)


def test_an_owner_asks_about_members_of_the_group_alone(world: World, people: People) -> None:
    owner, member, stranger = (world.new_user(name) for name in ("owner", "member", "stranger"))
    group_id = a_group(world, people, (owner, 50), (member, 30))
    found = world.explain(owner, member, namespace_id=group_id)
    assert deciding(found)[0] == "seat"
    for user in (stranger, people.ada):
        with pytest.raises(NotFoundError, match="404 User Not Found"):
            world.explain(owner, user, namespace_id=group_id)
    with pytest.raises(NotFoundError, match="404 User Not Found"):
        world.explain(member, owner, namespace_id=group_id)


def _store(world: World, *decisions: Decision, **user_ids: int) -> Sequence[RefusedEvent]:
    found: Sequence[RefusedEvent] = world.write(
        lambda session: usecases.store_decisions(
            session, "gateway-1", decisions, user_ids=user_ids, now=NOW
        )
    )
    return found


def _refusals(world: World) -> list[AuditEvent]:
    found = world.db.read_blocking(
        lambda session: list_events(session, FIRST_PAGE, action="request_refused")
    )
    return list(found.items)


def test_a_refusal_is_kept_and_logged_once(world: World) -> None:
    ada = world.new_user("ada")
    decision = a_decision()
    assert _store(world, decision, decision, opaque=ada.id) == []
    assert _store(world, decision, opaque=ada.id) == []
    (event,) = _refusals(world)
    assert (event.entry.actor, event.entry.target.id) == (as_caller(ada).actor, decision.model)
    assert event.entry.details["decision_id"] == decision.decision_id
    assert world.db.read_blocking(verify).is_intact


def test_the_address_that_a_model_was_closed_to_is_in_the_audit_log(world: World) -> None:
    _store(world, a_decision(code="address_not_allowed", address="192.0.2.1"))
    (event,) = _refusals(world)
    assert event.entry.details["address"] == "192.0.2.1"


def test_a_refusal_of_a_stranger_is_logged_as_the_gateway_s(world: World) -> None:
    admin = world.new_user("root", is_admin=True)
    _store(world, a_decision())
    (event,) = _refusals(world)
    assert (event.entry.actor.kind, event.entry.actor.id) == ("gateway", "gateway-1")
    found = _recall(world, admin)
    assert (found.decision.user_id, found.explanation) == (None, None)
    with pytest.raises(NotFoundError):
        _recall(world, world.new_user("bob"))


def test_what_cannot_be_kept_does_not_hold_up_the_rest(world: World) -> None:
    good, late = a_decision(), a_decision(happened_at=NOW.timestamp() + 3600)
    odd = a_decision(decision_id="x", model="a\0b")
    refused = _store(world, late, odd, good)
    assert [each.event_id for each in refused] == [late.decision_id, "x"]
    assert len(_refusals(world)) == 1


def test_old_refusals_are_pruned(world: World) -> None:
    admin = world.new_user("root", is_admin=True)
    young = a_decision(decision_id="01KAJ2Q2M0ABCDEFGHJKMNPQRT", happened_at=NOW.timestamp() + 60)
    _store(world, a_decision(), young)
    world.write(lambda session: usecases.prune(session, now=NOW + 30 * DAY))
    _recall(world, admin, young.decision_id)
    with pytest.raises(NotFoundError):
        _recall(world, admin)


def _recall(world: World, asker: User, decision_id: str = a_decision().decision_id) -> Recollection:
    def recall(session: Session) -> Recollection:
        return usecases.explain_decision(
            session, as_caller(asker), decision_id, read_state=lambda *_: world.state, now=NOW
        )

    return world.db.read_blocking(recall)


def test_who_may_see_a_refusal(world: World, people: People) -> None:
    owner, member, bob = (world.new_user(name) for name in ("owner", "member", "bob"))
    group_id = a_group(world, people, (owner, 50), (member, 30))
    _store(world, a_decision(namespace_id=group_id, model="tiny"), opaque=member.id)
    for asker in (people.admin, owner, member):
        assert _recall(world, asker).would_still_be_refused
    with pytest.raises(NotFoundError):
        _recall(world, bob)


def test_an_owner_learns_nothing_of_strangers_who_asked_for_the_group(
    world: World, people: People
) -> None:
    owner, stranger = (world.new_user(name) for name in ("owner", "stranger"))
    group_id = a_group(world, people, (owner, 50))
    decision = a_decision(code="namespace_not_granted", namespace_id=group_id)
    _store(world, decision, opaque=stranger.id)
    assert _recall(world, people.admin).would_still_be_refused
    with pytest.raises(NotFoundError):
        _recall(world, owner)


def test_a_refusal_that_does_not_say_of_what_is_only_recalled(world: World, people: People) -> None:
    _store(world, a_decision(unit_primitive="", model=None), opaque=people.ada.id)
    assert _recall(world, people.ada).explanation is None


def test_a_refusal_in_a_group_that_is_gone(world: World, people: People) -> None:
    bob = world.new_user("bob")
    _store(world, a_decision(namespace_id=999), opaque=people.ada.id)
    assert _recall(world, people.ada).explanation is None
    with pytest.raises(NotFoundError):
        _recall(world, bob)


def test_a_refusal_in_no_group_is_no_owner_s_business(world: World, people: People) -> None:
    bob = world.new_user("bob")
    _store(world, a_decision(model="tiny"), opaque=people.ada.id)
    assert _recall(world, people.ada).would_still_be_refused is False
    with pytest.raises(NotFoundError):
        _recall(world, bob)
