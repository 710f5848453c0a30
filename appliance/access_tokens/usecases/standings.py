"""What a user holds in a group, and which group a token is for."""

from datetime import datetime

from appliance.access_tokens import rules
from appliance.access_tokens.rules import Standing
from appliance.accounts.rules import User
from appliance.errors import NotFoundError
from appliance.feature_flags.rules import load_definitions, pushed_to
from appliance.feature_flags.usecases import enabled_flags, flags_off_for_everyone
from appliance.licensing.rules import Grant
from appliance.licensing.usecases import grant_of
from appliance.namespaces.rules import Namespace
from appliance.namespaces.usecases import access_level, default_namespace, visible_namespace
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog
from gateway.contract.feed import SwitchedOff


def namespace_of_token(
    session: Session, user: User, namespace_id: int | None, *, now: datetime
) -> Namespace | None:
    """The group that a user's token is for: the one asked for, else the user's default one.

    Raises:
        NotFoundError: no such group, or the user is no member of it.
    """
    if namespace_id is None:
        return default_namespace(session, user, now=now)
    found = visible_namespace(session, user, namespace_id, now=now)
    if access_level(session, user, found, now=now) is None:
        raise NotFoundError(what="Group")
    return found


def standing(
    session: Session, user: User, *, namespace: Namespace | None, catalog: Catalog, now: datetime
) -> Standing:
    """What a user's token for that group, or for none, would say now."""
    root = None if namespace is None else namespace.root_id
    ancestry = () if namespace is None else namespace.ancestry
    flags = enabled_flags(session, user=user, namespaces=ancestry)
    bought = grant_of(session, user, root_namespace_id=root, catalog=catalog, now=now)
    grant = rules.effective(bought, flags, catalog=catalog, definitions=load_definitions())
    return Standing(grant=grant, flags=flags, namespace=namespace)


def effective_grant(
    session: Session, user: User, *, namespace: Namespace | None, catalog: Catalog, now: datetime
) -> Grant:
    """What was bought for the user in that group, less what flags have switched off."""
    return standing(session, user, namespace=namespace, catalog=catalog, now=now).grant


def switched_off(session: Session, catalog: Catalog) -> tuple[SwitchedOff, ...]:
    """The flags that are off for everyone, with what each closes; in the order of their names."""
    definitions = load_definitions()
    off = sorted(flags_off_for_everyone(session))
    closed = {flag: tuple(sorted(rules.closed_by(definitions[flag], catalog))) for flag in off}
    told = pushed_to("gateway", off, definitions)
    # What neither closes anything nor is asked for there means nothing to a gateway.
    return tuple(
        SwitchedOff(flag=flag, unit_primitives=names)
        for flag, names in closed.items()
        if names or flag in told
    )
