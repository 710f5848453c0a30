"""What is explained is what instance and gateway then do, for any organisation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.access_tokens.rules import Origin, Purpose, Standing, Subject, token_claims
from appliance.access_tokens.usecases import Minter, ensure_signing_key, namespace_of_token
from appliance.accounts.errors import UserBlockedError
from appliance.accounts.rules import Caller, Profile, User, check_credential
from appliance.accounts.usecases import change_user, create_user, get_user
from appliance.audit.rules import SYSTEM
from appliance.errors import ApplianceError, NotFoundError
from appliance.explanations import usecases
from appliance.explanations.rules import AskedModel, Facts, Question, explain
from appliance.feature_flags.usecases import set_flag
from appliance.instance_settings.rules import Addresses
from appliance.licensing.rules import Item
from appliance.licensing.tables import add_seats, users_with_seats
from appliance.model_selection.rules import ChoiceChange, FeatureChange
from appliance.model_selection.usecases import (
    change_choices,
    change_features,
    choices_among,
    offers,
)
from appliance.namespaces.rules import AccessLevel, Membership, Namespace, NewGroup
from appliance.namespaces.usecases import create_group, parents_among, set_member
from appliance.self_hosted_models.rules import Description
from appliance.self_hosted_models.usecases import create_model
from appliance.storage.engine import Db, Session
from appliance.storage.identity import Identity
from appliance.storage.sealing import Sealer
from gateway.contract.claims import Claims
from gateway.contract.selection import Effective, Group
from gateway.errors import GatewayError
from gateway.issuer.feed.groups import Groups
from gateway.policy.naming import resolve, why_unresolved
from gateway.policy.permits import permit_feature, permit_namespace, permit_provider
from gateway.policy.selections import Selections
from tests.appliance.explanations.builders import (
    CATALOG,
    buy,
    some_facts,
)
from tests.explanation_facts import FLAGS, all_facts, items, rarely
from tests.instance_builders import NOW, a_pat

SUBJECT = Subject(global_user_id="opaque", credential="pat:3", generation=0)
ORIGIN = Origin(issuer="http://i", instance_id="i", realm="self-managed")
# A busy machine is slow at drawing, too.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def minted(facts: Facts) -> Claims | str:
    """The claims that the user's new token would carry, or what the instance refuses with."""
    try:
        check_credential(Caller(user=facts.user, credential=a_pat()), at=NOW)
    except UserBlockedError as error:
        return error.code
    if not facts.is_member:
        return "namespace_not_granted"
    held = Standing(grant=facts.grant, flags=facts.flags, namespace=facts.namespace)
    return token_claims(SUBJECT, held, Purpose(jti=UUID(int=1)), origin=ORIGIN, now=NOW)


def answered(claims: Claims, facts: Facts) -> str | None:
    """The code that the gateway refuses with, asking in the order of its surfaces."""
    try:
        permit_feature(claims, facts.unit_primitive)
        held = chosen_by_gateway(claims, facts)
        if facts.model is None or not is_served(facts.model):
            return "model_not_found"
        if held is not None and facts.model.ref not in held.selectable:
            return "model_not_selectable"
        permit_provider(claims, str(facts.model.provider))
    except GatewayError as error:
        return str(error.code)
    return "model_unavailable" if facts.model.state == "unreachable" else None


def chosen_by_gateway(claims: Claims, facts: Facts) -> Effective | None:
    """What its feed tells a gateway of the feature, if nothing is refused by it."""
    if facts.selection is None:
        return None
    asked = facts.selection
    told = Groups(
        Group(
            each.id,
            each.parent_id,
            (asked.chosen[each.id],) if each.id in asked.chosen else (),
        )
        for each in asked.chain
    )
    gateway = Selections()
    gateway.replace((asked.offer,), told)
    held = gateway.effective(asked.feature, claims)
    if resolve(asked.named or "", held) is None:
        raise why_unresolved(asked.offer, what="It", usable=())
    return held


def is_served(model: AskedModel) -> bool:
    if model.registered is not None:
        return model.registered.is_enabled
    return model.offered is not None and model.offered.why_unusable is None


@settings(PATIENT, max_examples=1500)
@given(facts=all_facts())
def test_what_is_explained_is_what_the_gateway_decides(facts: Facts) -> None:
    found = explain(facts)
    claims = minted(facts)
    refusal = claims if isinstance(claims, str) else answered(claims, facts)
    assert found.code == refusal
    permitted = "permitted" if facts.model and facts.model.state else "unknown"
    assert found.verdict == ("refused" if refusal else permitted)


@settings(PATIENT, max_examples=300)
@given(facts=all_facts())
def test_one_check_decides_and_says_what_would_change_it(facts: Facts) -> None:
    found = explain(facts)
    states = [check.state for check in found.checks]
    decided = [state for state in states if state in {"failed", "unknown"}]
    assert len(decided) == (found.verdict != "permitted")
    if decided:
        at = states.index(decided[0])
        assert set(states[:at]) <= {"passed"}
        assert set(states[at + 1 :]) <= {"not_reached"}
        assert found.checks[at].change
    assert all(check.sentence for check in found.checks)


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_takes_exactly_what_it_is_said_to_guard(flag: str) -> None:
    for unit_primitive in CATALOG.unit_primitives:
        facts = some_facts(unit_primitive=unit_primitive, flags=frozenset(FLAGS) - {flag})
        everything = some_facts(unit_primitive=unit_primitive, flags=frozenset(FLAGS))
        if unit_primitive in everything.grant.scopes:
            is_guarded = flag in {*facts.guards, "ai_global_switch"}
            assert (unit_primitive in facts.grant.scopes) is not is_guarded


@dataclass(frozen=True)
class Organisation:
    """What is in the database beside the user; of three groups the last lies in the first."""

    roles: Sequence[tuple[int, AccessLevel]]
    purchases: Sequence[tuple[str, int | None, Item]]
    seats: frozenset[int]
    gates: Sequence[tuple[str, bool]]
    state: str
    setting: FeatureChange | None
    choices: Sequence[tuple[int, ChoiceChange]]


@st.composite
def whole_organisations(draw: st.DrawFn) -> Organisation:
    groups = st.sampled_from([0, 1])
    bought = st.sampled_from([name for name in CATALOG.add_ons if name != "duo_self_hosted"])
    names = [*draw(st.lists(bought, max_size=4)), *draw(st.sampled_from([[], ["duo_self_hosted"]]))]
    return Organisation(
        roles=[
            (group, draw(st.sampled_from(AccessLevel)))
            for group in sorted(draw(st.frozensets(groups)))
        ],
        purchases=[
            (name, draw(st.sampled_from([None, None, 0, 1])), draw(items(name))) for name in names
        ],
        seats=draw(st.frozensets(st.integers(0, 4))),
        gates=[(draw(st.sampled_from(FLAGS)), False)] if rarely(draw) else [],
        state="blocked" if rarely(draw) else "active",
        setting=draw(st.none() | feature_changes()),
        choices=draw(st.lists(st.tuples(st.integers(0, 2), choice_changes()), max_size=3)),
    )


CHAT = ("duo_chat",)
REFS = st.sampled_from(["shm", "amazonq"])


@st.composite
def feature_changes(draw: st.DrawFn) -> FeatureChange:
    if rarely(draw) or rarely(draw):
        provider: Any = draw(st.sampled_from(["disabled", "unassigned"]))
        return FeatureChange(features=CHAT, provider=provider)
    default, others = draw(REFS), draw(st.none() | st.frozensets(REFS))
    allowed = None if others is None else tuple(sorted(others | {default}))
    is_locked = draw(st.sampled_from([False, False, True]))
    return FeatureChange(
        features=CHAT, provider=None, default_ref=default, allowed=allowed, is_locked=is_locked
    )


@st.composite
def choice_changes(draw: st.DrawFn) -> ChoiceChange:
    model, others = draw(REFS), draw(st.none() | st.frozensets(REFS))
    narrowed_to = None if others is None else tuple(sorted(others | {model}))
    return ChoiceChange(
        features=CHAT, model_ref=model, narrowed_to=narrowed_to, is_locked=draw(st.booleans())
    )


@dataclass(frozen=True)
class Built:
    admin: User
    user: User
    groups: Sequence[Namespace]


def build(session: Session, wanted: Organisation, sealer: Sealer) -> Built:
    """The organisation, with others who take the first seats."""
    admin, user, other = (_add_user(session, name) for name in ("admin", "ada", "other"))
    groups = [
        create_group(session, NewGroup(name=path, path=path), caller_user=admin, now=NOW)
        for path in ("first", "second")
    ]
    child = NewGroup(name="child", path="child", parent_id=groups[0].id)
    groups.append(create_group(session, child, caller_user=admin, now=NOW))
    for index, level in wanted.roles:
        role = Membership(user_id=user.id, namespace_id=groups[index].id, access_level=level)
        set_member(session, role, caller_user=admin, now=NOW)
    for index, (add_on, owner, item) in enumerate(wanted.purchases):
        root = None if owner is None else groups[owner].id
        purchase_id = buy(session, add_on, root_namespace_id=root, **_terms(item))
        if CATALOG.add_ons[add_on].has_seats and index in wanted.seats:
            for each in (other, user):
                held = users_with_seats(session, purchase_id, [each.id])
                fresh = [] if held else [each.id]
                add_seats(session, purchase_id, fresh, given_by=None, now=NOW)
    for provider in ("shm", "amazonq"):
        description = Description(
            ref=provider,
            name=provider,
            endpoint="http://127.0.0.1:1/v1",
            identifier=provider,
            provider=provider,
        )
        create_model(session, description, sealer=sealer, actor=SYSTEM, now=NOW)
    _choose(session, wanted, groups, admin=admin)
    for flag, value in wanted.gates:
        set_flag(session, flag, value=value, actor=SYSTEM, now=NOW)
    if wanted.state == "blocked":
        blocked = Profile(state="blocked")
        change_user(session, user.id, blocked, password_hash=None, actor=SYSTEM, now=NOW)
    return Built(admin, get_user(session, user.id), groups)


def _choose(
    session: Session, wanted: Organisation, groups: Sequence[Namespace], *, admin: User
) -> None:
    for index, choice in wanted.choices:
        try:
            group_id = groups[index].id
            change_choices(session, admin, group_id, choice, catalog=CATALOG, now=NOW)
        except ApplianceError:
            continue
    # Afterwards, so that it makes some of the choices not count.
    if wanted.setting is not None:
        change_features(session, wanted.setting, catalog=CATALOG, actor=SYSTEM, now=NOW)


def _add_user(session: Session, name: str) -> User:
    profile = Profile(username=name, name=name, email=f"{name}@x", is_admin=name == "admin")
    return create_user(session, profile, password_hash=None, actor=SYSTEM, now=NOW)


def _terms(item: Item) -> dict[str, Any]:
    names = ("quantity", "starts_at", "ends_at", "grace_ends_at", "accompanies")
    return {name: getattr(item, name) for name in names}


def really_answered(
    session: Session, built: Built, minter: Minter, *, namespace_id: int | None, model: str | None
) -> str | None:
    """What happens to a request with a token that is minted for it now."""
    caller = Caller(user=built.user, credential=a_pat(user_id=built.user.id))
    try:
        check_credential(caller, at=NOW)
        namespace = namespace_of_token(session, built.user, namespace_id, now=NOW)
    except UserBlockedError as error:
        return error.code
    except NotFoundError:
        return "namespace_not_granted"
    purpose = Purpose(jti=UUID(int=1))
    token = minter.mint(session, caller, purpose, namespace=namespace, now=NOW)
    payload = jwt.decode(token.text, options={"verify_signature": False})
    claims = msgspec.convert(payload, Claims)
    try:
        permit_namespace(claims, {k.lower().encode(): v.encode() for k, v in token.headers.items()})
        permit_feature(claims, "duo_chat")
        told = following(session)
        held = told.effective("duo_chat", claims)
        ref = resolve(model or "", held)
        if ref is None or held is None:
            raise why_unresolved(told.offers["duo_chat"], what="It", usable=())
        if ref == "none":
            return "model_not_found"
        if ref not in held.selectable:
            return "model_not_selectable"
        # Each model is called as who runs it.
        permit_provider(claims, ref)
    except GatewayError as error:
        return str(error.code)
    return None


def following(session: Session) -> Selections:
    """What a gateway makes of all that it is told."""
    choices = choices_among(session, None)
    parents = parents_among(session, None).items()
    groups = Groups(Group(number, above, choices.get(number, ())) for number, above in parents)
    gateway = Selections()
    gateway.replace(tuple(offers(session, CATALOG).values()), groups)
    return gateway


class UndoneError(Exception):
    """Ends a transaction without a trace."""


PATIENT_DB = settings(
    PATIENT,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@PATIENT_DB
@given(wanted=whole_organisations())
def test_any_organisation_is_explained_as_it_is_minted(
    db: Db, sealer: Sealer, wanted: Organisation
) -> None:
    minter = Minter(
        sealer,
        Identity(instance_id="i", feed_epoch=1),
        told=Addresses(instance_public_url="http://i", gateway_public_url="", ai_gateway_url=""),
        catalog=CATALOG,
        version="1",
    )

    def compare(session: Session) -> None:
        ensure_signing_key(session, sealer, now=NOW)
        built = build(session, wanted, sealer)
        asker = Caller(user=built.admin, credential=a_pat(user_id=built.admin.id))
        for namespace_id in (None, *(group.id for group in built.groups)):
            for model in ("shm", "amazonq", "none", None):
                question = Question(
                    user_id=built.user.id,
                    feature="duo_chat",
                    namespace_id=namespace_id,
                    model=model,
                )
                found = usecases.explain(
                    session, asker, question, read_state=lambda *_: "ready", now=NOW
                )
                refusal = really_answered(
                    session, built, minter, namespace_id=namespace_id, model=model
                )
                assert found.code == refusal, (namespace_id, model, found)
        raise UndoneError

    with pytest.raises(UndoneError):
        db.write_blocking(compare)
