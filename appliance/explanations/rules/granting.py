"""The checks of what a user is granted: account, group, flags, licence, seat and scope."""

from collections.abc import Callable, Sequence

from appliance.explanations.rules.values import Facts, Finding, failed, passed
from appliance.feature_flags.rules import GLOBAL_SWITCH
from appliance.licensing.rules import Holding, Purchase, title
from gateway.contract.codes import Code

# What the instance refuses with before there is an access token.
USER_BLOCKED = "user_blocked"
AI_OFF_IN_PROJECT = "duo_features_disabled"

ADD_LICENCE = "`casemate licence add FILE`, or POST /api/v4/license"


def check_user(facts: Facts) -> Finding:
    """Whether the user is given access tokens at all."""
    if facts.user.state == "active":
        return passed(f"{facts.who} is active.")
    return failed(
        USER_BLOCKED,
        f"{facts.who} is blocked and is given no access token.",
        change=f'Unblock the user: PUT /api/v4/users/{facts.user.id} with {{"state": "active"}}.',
    )


def check_namespace(facts: Facts) -> Finding:
    """Whether the user belongs to the group that a token is asked for."""
    group = facts.namespace
    if group is None:
        return passed("No group is named and the user has no default one; none is needed.")
    if facts.is_member:
        return passed(f"{facts.who} belongs to the group {group.full_path}.")
    return failed(
        Code.NAMESPACE_NOT_GRANTED,
        f"{facts.who} is no member of the group {group.full_path}, nor of one above it.",
        change=f"Add the user to the group: POST /api/v4/groups/{group.id}/members with "
        f'{{"user_id": {facts.user.id}, "access_level": 30}}.',
    )


def check_global_switch(facts: Facts) -> Finding:
    """Whether AI is on for the user."""
    if GLOBAL_SWITCH in facts.flags:
        return passed(f"The switch for everything, {GLOBAL_SWITCH}, is on.")
    return failed(
        Code.FEATURE_NOT_GRANTED,
        f"The switch for everything, {GLOBAL_SWITCH}, is off for this user.",
        change=turn_on(GLOBAL_SWITCH),
    )


def check_feature_flag(facts: Facts) -> Finding:
    """Whether the flags that guard the unit primitive are on for the user."""
    off = [flag for flag in facts.guards if flag not in facts.flags]
    if off:
        return failed(
            Code.FEATURE_NOT_GRANTED,
            f"The feature flag {off[0]} guards {facts.unit_primitive} and is off for this user.",
            change=turn_on(off[0]),
        )
    if not facts.guards:
        return passed(f"No feature flag guards {facts.unit_primitive}.")
    return passed(f"On: {', '.join(facts.guards)}.")


def check_project(facts: Facts) -> Finding:
    """Whether AI is on in the project."""
    project = facts.project
    if project is None:
        return passed("No project is named.")
    if project.duo_features_enabled:
        return passed(f"AI features are on in the project {project.full_path}.")
    return failed(
        AI_OFF_IN_PROJECT,
        f"AI features are off in the project {project.full_path}.",
        change=f"Turn them on: PUT /api/v4/projects/{project.id} with "
        '{"duo_features_enabled": true}.',
    )


def turn_on(flag: str) -> str:
    """What turns a feature flag on."""
    return (
        f"Turn it on: `casemate flags set {flag} on`, or POST /api/v4/features/{flag} with "
        f'{{"value": "true"}}; `casemate flags show {flag}` says for whom it is off.'
    )


def check_licence(facts: Facts) -> Finding:
    """Whether something that is owned now opens the unit primitive, seats aside."""
    openers = _openers(facts)
    owned = [held for held in openers if is_owned(held, facts)]
    if owned:
        return passed(
            f"{_titles(owned, facts)} opens {facts.unit_primitive}{_grace(owned, facts)}."
        )
    if openers:
        return failed(
            Code.FEATURE_NOT_GRANTED,
            " ".join(why_not_owned(held, facts) for held in openers),
            change=f"Add a licence that is good now: {ADD_LICENCE}.",
        )
    names = [name for name, each in facts.catalog.add_ons.items() if _opens(name, facts)]
    sentence = f"Nothing that is owned here opens {facts.unit_primitive}."
    if not names:
        change = "Ask for one that there is; no add-on of this release opens it."
        return failed(Code.FEATURE_NOT_GRANTED, sentence, change=change)
    return failed(
        Code.FEATURE_NOT_GRANTED,
        sentence + _tenant_hint(facts),
        change=f"Add a licence for {any_of(names, facts)}: {ADD_LICENCE}.",
    )


def _tenant_hint(facts: Facts) -> str:
    if facts.is_saas and facts.namespace is None:
        return " Licences belong to groups here, and no group is named."
    return ""


def check_seat(facts: Facts) -> Finding:
    """Whether the user holds a seat that counts, where one is needed."""
    owned = [held for held in _openers(facts) if is_owned(held, facts)]
    free = [held for held in owned if not facts.catalog.add_ons[held.purchase.add_on].has_seats]
    if free:
        return passed(f"{_titles(free, facts)} needs no seat.")
    held = [each for each in owned if each.seat is not None and not each.seat.is_over_limit]
    if held:
        return passed(f"{facts.who} holds a seat of {_titles(held, facts)}.")
    over = [each for each in owned if each.seat is not None]
    if over:
        return failed(
            Code.FEATURE_NOT_GRANTED,
            f"The seat of {_titles(over, facts)} is over the limit: more are given than are owned, "
            "and the newest do not count.",
            change=f"Take a seat from somebody who needs none ({_seats(over[0].purchase)}), or add "
            f"a licence for more: {ADD_LICENCE}.",
        )
    return failed(
        Code.FEATURE_NOT_GRANTED,
        f"{facts.who} holds no seat of {_titles(owned, facts)}.",
        change=f"Give the user one: {_giving(owned[0].purchase, facts)}.",
    )


def _giving(purchase: Purchase, facts: Facts) -> str:
    by_hand = f'POST {_seats(purchase)} with {{"user_ids": [{facts.user.id}]}}'
    if purchase.root_namespace_id is not None:
        return by_hand
    return f"`casemate seats give {purchase.add_on} {facts.user.username}`, or {by_hand}"


def _seats(purchase: Purchase) -> str:
    return f"/api/v4/ai/add_on_purchases/{purchase.id}/seats"


def check_scope(facts: Facts) -> Finding:
    """Whether an access token minted now would open it; the sum of the checks before."""
    if facts.unit_primitive in facts.grant.scopes:
        return passed(f"A new access token has the scope {facts.unit_primitive}.")
    return failed(
        Code.FEATURE_NOT_GRANTED,
        f"A new access token lacks the scope {facts.unit_primitive}.",
        change="This does not follow from the checks above: report it as a defect.",
    )


def is_owned(held: Holding, facts: Facts) -> bool:
    """Whether a purchase counts now."""
    return held.purchase.quantity(facts.at) > 0 and not held.is_suspended


def why_not_owned(held: Holding, facts: Facts) -> str:
    """Why a purchase does not count now."""
    if held.suspended_because is not None:
        return held.suspended_because
    name = title(held.purchase.add_on, facts.catalog)
    if held.purchase.state(facts.at) == "future":
        starts_at = min(item.starts_at for item in held.purchase.items if item.starts_at > facts.at)
        return f"{name} is owned from {starts_at:%Y-%m-%d} only."
    ends = [item.grace_ends_at for item in held.purchase.items]
    when = f" on {max(ends):%Y-%m-%d}, its grace included" if ends else ""
    return f"{name} has expired{when}."


def any_of(names: Sequence[str], facts: Facts) -> str:
    """Add-ons by their titles, of which one is enough."""
    return " or ".join(title(name, facts.catalog) for name in names)


def _openers(facts: Facts) -> list[Holding]:
    return [held for held in facts.holdings if _opens(held.purchase.add_on, facts)]


def _opens(add_on: str, facts: Facts) -> bool:
    known = facts.catalog.add_ons.get(add_on)
    return known is not None and facts.unit_primitive in known.opens


def _titles(held: Sequence[Holding], facts: Facts) -> str:
    return " or ".join(dict.fromkeys(title(each.purchase.add_on, facts.catalog) for each in held))


def _grace(owned: Sequence[Holding], facts: Facts) -> str:
    if any(held.purchase.state(facts.at) == "active" for held in owned):
        return ""
    last = max(item.grace_ends_at for held in owned for item in held.purchase.items)
    return f"; it has ended and counts until {last:%Y-%m-%d}, its days of grace"


GRANTING: tuple[tuple[str, Callable[[Facts], Finding]], ...] = (
    ("user", check_user),
    # Before what the group owns: without membership there is no token for it at all.
    ("namespace", check_namespace),
    ("global_switch", check_global_switch),
    ("feature_flag", check_feature_flag),
    ("project", check_project),
    ("licence", check_licence),
    ("seat", check_seat),
    ("scope", check_scope),
)
