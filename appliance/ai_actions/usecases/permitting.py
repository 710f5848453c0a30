"""Decides who may ask for an action: before it is accepted, whenever it runs, and for each tool."""

from dataclasses import dataclass
from datetime import datetime

from appliance.access_tokens.rules import guards
from appliance.access_tokens.usecases import standing
from appliance.accounts.errors import UnauthorizedError, UserBlockedError
from appliance.accounts.rules import Caller, User, check_credential
from appliance.accounts.usecases import find_caller, get_user
from appliance.ai_actions.errors import (
    ActionFailedError,
    ActionRefusedError,
    FeatureSwitchedOffError,
)
from appliance.ai_actions.rules import Request, ResourceRef, Wish
from appliance.ai_actions.rules.catalogue import ACTIONS, Action
from appliance.ai_actions.rules.chat.contexts import closed_context, scope_of
from appliance.ai_actions.rules.codes import refused_sentence
from appliance.ai_actions.rules.inputs import check_inputs
from appliance.ai_actions.rules.rights import (
    NO_GROUP,
    NOT_THERE,
    SWITCHED_OFF,
    code_of_missing_right,
)
from appliance.ai_actions.usecases.places import Place, find_place, place_of_request
from appliance.errors import InvalidFieldsError, NotFoundError
from appliance.feature_flags.rules import GLOBAL_SWITCH, load_definitions
from appliance.licensing.rules import Holding
from appliance.licensing.usecases import holdings, is_saas, licence_clock
from appliance.namespaces.usecases import access_level
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """What was permitted: in which group and project, by which unit primitive."""

    namespace_id: int | None
    project_id: int | None
    unit_primitive: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    user: User
    place: Place
    unit_primitive: str
    catalog: Catalog
    now: datetime


def permitted(session: Session, wish: Wish, *, catalog: Catalog, now: datetime) -> Permit:
    """Passes a wish that its user may have.

    Raises:
        InvalidFieldsError: what is given is not what the action needs.
        NotFoundError: what it is about is not there, or not for this user.
        FeatureSwitchedOffError: a flag is off for the user.
        ActionRefusedError: the user lacks a right.
    """
    action = ACTIONS[wish.action]
    check_inputs(action, wish.inputs)
    _check_resource(action, wish.resource)
    user = get_user(session, wish.user_id)
    place = find_place(session, user, wish, now=now)
    case = _Case(
        user=user, place=place, unit_primitive=action.unit_primitive, catalog=catalog, now=now
    )
    try:
        scopes = _check(session, case)
        _check_context(wish, scopes)
    except ActionFailedError as failure:
        sentence = refused_sentence(failure.shown_code, failure.facts)
        raise ActionRefusedError(sentence, shown_code=failure.shown_code) from failure
    return Permit(
        namespace_id=None if place.namespace is None else place.namespace.id,
        project_id=None if place.project is None else place.project.id,
        unit_primitive=action.unit_primitive,
    )


def permitted_again(
    session: Session,
    request: Request,
    *,
    catalog: Catalog,
    now: datetime,
    unit_primitive: str | None = None,
) -> Caller:
    """Who asked, if what was accepted is still theirs to ask for; a tool has its own right.

    Raises:
        ActionFailedError: it is not, with the code that says why.
    """
    asked_for = unit_primitive or ACTIONS[request.action].unit_primitive
    caller = caller_of(session, request, unit_primitive=asked_for, now=now)
    try:
        place = place_of_request(session, caller.user, request, now=now)
        case = _Case(
            user=caller.user, place=place, unit_primitive=asked_for, catalog=catalog, now=now
        )
        _check(session, case)
    except NotFoundError as gone:
        switched_off = isinstance(gone, FeatureSwitchedOffError)
        raise ActionFailedError(SWITCHED_OFF if switched_off else NOT_THERE) from gone
    return caller


def caller_of(session: Session, request: Request, *, unit_primitive: str, now: datetime) -> Caller:
    """Who asked, if the token that they asked with is still good.

    Raises:
        ActionFailedError: it is not, or the user is blocked.
    """
    caller = find_caller(session, request.credential_id)
    if caller is None or caller.user.id != request.user_id:
        raise ActionFailedError(NOT_THERE)
    try:
        check_credential(caller, at=now)
    except UnauthorizedError as ended:
        raise ActionFailedError(NOT_THERE) from ended
    except UserBlockedError as blocked:
        raise ActionFailedError(code_of_missing_right(unit_primitive, is_owned=True)) from blocked
    return caller


def _check_resource(action: Action, resource: ResourceRef | None) -> None:
    if resource is None:
        if action.needs_resource:
            raise InvalidFieldsError({"resource_id": "is required"})
    elif resource.kind not in action.takes:
        raise NotFoundError(what="Resource")


def _check_context(wish: Wish, scopes: frozenset[str]) -> None:
    category = closed_context(wish.inputs, scopes) if wish.action == "chat" else None
    if category is not None:
        detail = f"It is about what was sent along as {category}."
        code = code_of_missing_right(scope_of(category), is_owned=True)
        raise ActionFailedError(code, {"detail": detail})


def _check(session: Session, case: _Case) -> frozenset[str]:
    user, group, project = case.user, case.place.namespace, case.place.project
    if group is not None and access_level(session, user, group, now=case.now) is None:
        raise ActionFailedError(NOT_THERE)
    held = standing(session, user, namespace=group, catalog=case.catalog, now=case.now)
    needed = {GLOBAL_SWITCH, *guards(case.unit_primitive, case.catalog, load_definitions())}
    if not needed <= held.flags:
        raise FeatureSwitchedOffError
    if project is not None and not project.duo_features_enabled:
        raise ActionFailedError(SWITCHED_OFF)
    if case.unit_primitive not in held.grant.scopes:
        raise ActionFailedError(_why_closed(session, case))
    if not held.grant.providers:
        raise ActionFailedError(code_of_missing_right(case.unit_primitive, is_owned=False))
    return held.grant.scopes


def _why_closed(session: Session, case: _Case) -> str:
    group, now = case.place.namespace, case.now
    at = licence_clock(session, now=now)
    held = holdings(
        session, case.user, root_namespace_id=None if group is None else group.root_id, now=now
    )
    is_owned = any(_is_opener(each, case) and each.purchase.quantity(at) > 0 for each in held)
    if not is_owned and group is None and is_saas(session, now=now):
        return NO_GROUP
    return code_of_missing_right(case.unit_primitive, is_owned=is_owned)


def _is_opener(held: Holding, case: _Case) -> bool:
    add_on = case.catalog.add_ons.get(held.purchase.add_on)
    return add_on is not None and case.unit_primitive in add_on.opens and not held.is_suspended
