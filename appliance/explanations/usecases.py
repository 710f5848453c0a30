"""Answers why something is permitted or refused, and keeps the refusals that gateways tell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from appliance.access_tokens.rules import guards
from appliance.access_tokens.usecases import standing
from appliance.accounts.rules import Caller, User
from appliance.accounts.usecases import get_user
from appliance.audit.rules import Actor, Target, gateway_actor, user_actor
from appliance.audit.usecases import REFUSED, record
from appliance.errors import NotFoundError
from appliance.explanations import rules, tables
from appliance.explanations.rules import (
    AskedModel,
    Explanation,
    Facts,
    Question,
    Recollection,
    RecordedDecision,
    Selection,
)
from appliance.feature_flags.rules import load_definitions
from appliance.licensing.usecases import holdings, is_saas, licence_clock
from appliance.model_selection.usecases import chain_of, get_feature, read_pool
from appliance.namespaces.rules import AccessLevel, Namespace
from appliance.namespaces.usecases import (
    access_level,
    default_namespace,
    get_namespace,
    namespaces_among,
    visible_namespace,
)
from appliance.resources.rules import Project
from appliance.resources.usecases import visible_project
from appliance.self_hosted_models.usecases import find_model
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog, load_catalog
from gateway.contract.events import Decision, RefusedEvent
from gateway.contract.selection import DEFAULT_MODEL, SWITCHING_FLAG
from gateway.contract.ulids import is_ulid

# What present gateways say of a model; the room that knows lies above this one.
ReadState = Callable[[Session, str, datetime], Literal["ready", "unreachable"] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    user: User
    namespace: Namespace | None
    unit_primitive: str
    model: str | None
    is_for_self: bool
    # A decision keeps neither.
    address: str | None = None
    project: Project | None = None


def explain(
    session: Session, caller: Caller, question: Question, *, read_state: ReadState, now: datetime
) -> Explanation:
    """Whether the user may, and what decides.

    An admin asks about anybody, an owner of a group about its members within it, everybody about
    themself.

    Raises:
        InvalidFieldsError: it names nothing that there is to ask about.
        NotFoundError: no such user, group or project, or not for this caller.
    """
    unit_primitive = rules.asked_unit_primitive(question, load_catalog())
    project = None
    if question.project_id is not None:
        project = visible_project(session, caller.user, question.project_id, now=now)
        question = replace(question, namespace_id=project.namespace_id, project_id=None)
    user, namespace = _permitted_subject(session, caller.user, question, now=now)
    asked = _Asked(
        user=user,
        namespace=namespace,
        unit_primitive=unit_primitive,
        model=question.model,
        is_for_self=not caller.user.is_admin and user.id == caller.user.id,
        address=question.address,
        project=project,
    )
    return _explain(session, asked, read_state=read_state, now=now)


def explain_decision(
    session: Session, caller: Caller, decision_id: str, *, read_state: ReadState, now: datetime
) -> Recollection:
    """A refusal of the last 30 days, and how the same would be answered now.

    Raises:
        NotFoundError: none of that id, or not for this caller.
    """
    # What is no ULID cannot be one of ours, and not every text can be looked up.
    decision = tables.find(session, decision_id) if is_ulid(decision_id) else None
    if (
        decision is None
        or decision.happened_at <= now - rules.RETENTION
        or not _may_see(session, caller.user, decision, now=now)
    ):
        raise NotFoundError(what="Decision")
    try:
        asked = _asked_then(session, caller.user, decision, now=now)
    except NotFoundError:
        # The user or the group is gone, and with it what there was to permit.
        asked = None
    explanation = None
    if asked is not None:
        explanation = _explain(session, asked, read_state=read_state, now=now)
    return Recollection(decision=decision, explanation=explanation)


def store_decisions(
    session: Session,
    gateway_id: str,
    decisions: Sequence[Decision],
    *,
    user_ids: Mapping[str, int],
    now: datetime,
) -> Sequence[RefusedEvent]:
    """Keeps what a gateway refused, once each, and says which will never be kept.

    `user_ids` has the users behind those subjects that are known here.
    """
    problems = [rules.problem_of(each, now=now) for each in decisions]
    good = [each for each, problem in zip(decisions, problems, strict=True) if problem is None]
    known = tables.known_ids(session, [each.decision_id for each in good])
    for decision in good:
        if decision.decision_id not in known:
            known.add(decision.decision_id)
            kept = rules.recorded(decision, gateway_id, user_ids.get(decision.subject))
            tables.add(session, kept)
            _record_refusal(session, kept, address=decision.address, now=now)
    session.flush()
    return [
        RefusedEvent(event_id=each.decision_id, reason=problem)
        for each, problem in zip(decisions, problems, strict=True)
        if problem is not None
    ]


def prune(session: Session, *, now: datetime) -> None:
    """Forgets refusals that are older than 30 days."""
    tables.delete_before(session, now - rules.RETENTION)


def _permitted_subject(
    session: Session, caller: User, question: Question, *, now: datetime
) -> tuple[User, Namespace | None]:
    is_own = question.user_id == caller.id
    if not caller.is_admin and not is_own:
        return _member_of_owned(session, caller, question, now=now)
    user = get_user(session, question.user_id)
    if question.namespace_id is None:
        return user, default_namespace(session, user, now=now)
    if caller.is_admin:
        return user, get_namespace(session, question.namespace_id)
    return user, visible_namespace(session, caller, question.namespace_id, now=now)


def _member_of_owned(
    session: Session, caller: User, question: Question, *, now: datetime
) -> tuple[User, Namespace]:
    # One answer for all that is missing, so that nobody learns which users and groups there are.
    nobody = NotFoundError(what="User")
    if question.namespace_id is None:
        raise nobody
    try:
        namespace = get_namespace(session, question.namespace_id)
        user = get_user(session, question.user_id)
    except NotFoundError:
        raise nobody from None
    if not _owns(session, caller, namespace, now=now):
        raise nobody
    if access_level(session, user, namespace, now=now) is None:
        raise nobody
    return user, namespace


def _owns(session: Session, user: User, namespace: Namespace, *, now: datetime) -> bool:
    return access_level(session, user, namespace, now=now) is AccessLevel.OWNER


def _may_see(session: Session, caller: User, decision: RecordedDecision, *, now: datetime) -> bool:
    if caller.is_admin or decision.user_id == caller.id:
        return True
    if decision.namespace_id is None or decision.user_id is None:
        return False
    about = Question(user_id=decision.user_id, namespace_id=decision.namespace_id)
    try:
        # Also strangers may have asked for the group, whom its owner need not know of.
        _member_of_owned(session, caller, about, now=now)
    except NotFoundError:
        return False
    return True


def _asked_then(
    session: Session, caller: User, decision: RecordedDecision, *, now: datetime
) -> _Asked | None:
    # A gateway that refuses very much says of the rest only who was refused.
    if decision.user_id is None or not decision.unit_primitive:
        return None
    user = get_user(session, decision.user_id)
    return _Asked(
        user=user,
        namespace=default_namespace(session, user, now=now)
        if decision.namespace_id is None
        else get_namespace(session, decision.namespace_id),
        unit_primitive=decision.unit_primitive,
        model=decision.model,
        is_for_self=not caller.is_admin and user.id == caller.id,
    )


def _explain(
    session: Session, asked: _Asked, *, read_state: ReadState, now: datetime
) -> Explanation:
    catalog, user, namespace = load_catalog(), asked.user, asked.namespace
    held = standing(session, user, namespace=namespace, catalog=catalog, now=now)
    root = None if namespace is None else namespace.root_id
    selection = _selection(session, asked, flags=held.flags, catalog=catalog)
    facts = Facts(
        at=licence_clock(session, now=now),
        catalog=catalog,
        user=user,
        unit_primitive=asked.unit_primitive,
        guards=guards(asked.unit_primitive, catalog, load_definitions()),
        flags=held.flags,
        namespace=namespace,
        is_member=namespace is None or access_level(session, user, namespace, now=now) is not None,
        is_saas=is_saas(session, now=now),
        holdings=holdings(session, user, root_namespace_id=root, now=now),
        grant=held.grant,
        model=_model(session, _ref(asked, selection), read_state=read_state, now=now),
        selection=selection,
        project=asked.project,
        address=asked.address,
        is_for_self=asked.is_for_self,
    )
    return rules.explain(facts)


def _selection(
    session: Session, asked: _Asked, *, flags: frozenset[str], catalog: Catalog
) -> Selection | None:
    feature = catalog.features_by_unit_primitive().get(asked.unit_primitive)
    if feature is None:
        return None
    ancestry = () if asked.namespace is None else asked.namespace.ancestry
    groups, view = (
        namespaces_among(session, ancestry),
        get_feature(session, feature, catalog=catalog),
    )
    said = chain_of(session, asked.namespace)
    return Selection(
        feature=feature,
        offer=view.offer,
        chain=[groups[each] for each in ancestry],
        chosen={each: choices[feature] for each, choices in said.items() if feature in choices},
        may_switch=SWITCHING_FLAG in flags,
        problem=view.problem,
        named=_named(asked),
    )


def _named(asked: _Asked) -> str | None:
    return None if asked.model == DEFAULT_MODEL else asked.model


def _ref(asked: _Asked, selection: Selection | None) -> str | None:
    if selection is None or selection.named is not None:
        return _named(asked)
    return selection.held.model


def _model(
    session: Session, ref: str | None, *, read_state: ReadState, now: datetime
) -> AskedModel | None:
    if ref is None:
        return None
    registered = find_model(session, ref)
    offered = None if registered else read_pool(session, load_catalog()).models.get(ref)
    is_known = registered is not None or offered is not None
    state = read_state(session, ref, now) if is_known else None
    return AskedModel(ref=ref, registered=registered, offered=offered, state=state)


def _record_refusal(
    session: Session, decision: RecordedDecision, *, address: str | None, now: datetime
) -> None:
    seen = {} if address is None else {"address": address}
    record(
        session,
        REFUSED,
        actor=_actor(session, decision),
        target=Target(kind="model", id=decision.model or ""),
        details={
            "decision_id": decision.decision_id,
            "code": decision.code,
            "unit_primitive": decision.unit_primitive,
            "provider": decision.provider,
            "namespace_id": decision.namespace_id,
            **seen,
        },
        now=now,
    )


def _actor(session: Session, decision: RecordedDecision) -> Actor:
    if decision.user_id is None:
        # A token of another issuer, or of somebody who is gone.
        return gateway_actor(decision.gateway_id, decision.gateway_id)
    user = get_user(session, decision.user_id)
    return user_actor(user.id, user.username)
