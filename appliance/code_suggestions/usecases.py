"""Gives editors and agents their tokens, and tells them where they stand."""

from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from appliance.access_tokens.rules import (
    EDITOR_LIFETIME,
    AccessToken,
    Purpose,
    are_suggestions_open,
)
from appliance.access_tokens.usecases import Minter, effective_grant, namespace_of_token
from appliance.accounts.rules import Caller, User
from appliance.code_suggestions import rules
from appliance.code_suggestions.errors import ProxyNotGrantedError, SuggestionsNotGrantedError
from appliance.code_suggestions.rules import Connection
from appliance.errors import NotFoundError
from appliance.licensing.rules import opens
from appliance.licensing.usecases import holdings, licence_clock
from appliance.namespaces.rules import Namespace
from appliance.resources.usecases import named_project, namespace_of
from appliance.storage.engine import Session
from gateway.contract.catalog import load_catalog


def editor_token(
    session: Session, caller: Caller, minter: Minter, *, jti: UUID, now: datetime
) -> AccessToken:
    """With which an editor calls the gateway for an hour, for the user's default group.

    Raises:
        SuggestionsNotGrantedError: the user may not complete code.
        NoSigningKeyError, ClockWentBackError: nothing can be minted now.
    """
    purpose = Purpose(jti=jti, lifetime=EDITOR_LIFETIME, scopes=rules.EDITOR_SCOPES)
    token = _minted(session, caller, minter=minter, purpose=purpose, now=now)
    if rules.COMPLETE_CODE not in token.claims.scopes or not token.claims.providers:
        raise SuggestionsNotGrantedError
    return token


def agent_token(
    session: Session, caller: Caller, minter: Minter, *, jti: UUID, now: datetime
) -> AccessToken:
    """With which somebody else's agent calls models in their own protocols.

    Raises:
        ProxyNotGrantedError: the user may not.
        NoSigningKeyError, ClockWentBackError: nothing can be minted now.
    """
    purpose = Purpose(jti=jti, lifetime=EDITOR_LIFETIME, scopes=rules.AGENT_SCOPES)
    token = _minted(session, caller, minter=minter, purpose=purpose, now=now)
    if not token.claims.scopes or not token.claims.providers:
        raise ProxyNotGrantedError
    return token


def _minted(
    session: Session, caller: Caller, *, minter: Minter, purpose: Purpose, now: datetime
) -> AccessToken:
    namespace = namespace_of_token(session, caller.user, None, now=now)
    return minter.mint(session, caller, purpose, namespace=namespace, now=now)


def connection(
    session: Session, caller: Caller, minter: Minter, *, version: str, now: datetime
) -> Connection:
    """Who connects, for an editor that passes it on.

    Raises:
        SuggestionsNotGrantedError: the user may not use code suggestions.
    """
    namespace = namespace_of_token(session, caller.user, None, now=now)
    check_open(session, caller.user, namespace, now=now)
    told = minter.identify(session, now=now)
    kind = _enablement_type(session, caller.user, namespace, now=now)
    is_paid = told.realm == "saas" and kind in {"duo_pro", "duo_enterprise"}
    return Connection(
        instance_id=told.instance_id,
        instance_version=version,
        realm=told.realm,
        global_user_id=minter.global_user_id(caller.user.id),
        host_name=urlsplit(told.issuer).hostname or "",
        feature_enablement_type=kind,
        saas_duo_pro_namespace_ids=(namespace.root_id,) if namespace and is_paid else (),
    )


def _enablement_type(
    session: Session, user: User, namespace: Namespace | None, *, now: datetime
) -> str:
    at, catalog = licence_clock(session, now=now), load_catalog()
    root = None if namespace is None else namespace.root_id
    held = holdings(session, user, root_namespace_id=root, now=now)
    opening = [each for each in held if rules.COMPLETE_CODE in opens(each, catalog, at=at)]
    return rules.enablement_type({each.purchase.add_on for each in opening})


def check_project(session: Session, user: User, path: str, *, now: datetime) -> None:
    """Passes when the user may use code suggestions in a project.

    Raises:
        NotFoundError: no such project, or not for this user.
        SuggestionsNotGrantedError: not there.
    """
    if "/" not in path:
        # That would be a project's number, and editors know paths.
        raise NotFoundError(what="Project")
    project = named_project(session, user, path, now=now)
    check_open(session, user, namespace_of(session, project), now=now)


def check_open(session: Session, user: User, namespace: Namespace | None, *, now: datetime) -> None:
    """Passes when the user may use code suggestions in a group, or with None in no group.

    Raises:
        SuggestionsNotGrantedError: not there.
    """
    grant = effective_grant(session, user, namespace=namespace, catalog=load_catalog(), now=now)
    if not are_suggestions_open(grant):
        raise SuggestionsNotGrantedError
