"""Sentences for an admin about licences and purchases that need a hand."""

from datetime import datetime, timedelta
from typing import assert_never

from appliance.licensing.rules.purchases import Purchase

EXPIRES_SOON = timedelta(days=30)
# Clocks without a time source wander by this much; more is a clock that was set back.
CLOCK_TOLERANCE = timedelta(minutes=5)


def is_set_back(now: datetime, latest: datetime | None) -> bool:
    """Whether the clock shows a time that was over before."""
    return latest is not None and now < latest - CLOCK_TOLERANCE


def effective_time(now: datetime, latest: datetime | None) -> datetime:
    """The moment to judge purchases at: setting the clock back wins nothing."""
    return now if latest is None else max(now, latest)


def clock_warning(now: datetime, latest: datetime | None) -> str | None:
    """A sentence when the clock was set back."""
    if latest is None or not is_set_back(now, latest):
        return None
    return (
        f"The clock shows {now:%Y-%m-%d %H:%M} UTC, but {latest:%Y-%m-%d %H:%M} was already seen; "
        "licences are judged at the later time. Set the clock right."
    )


def life_warning(purchase: Purchase, *, title: str, at: datetime) -> str | None:
    """A sentence when a purchase ends soon, has ended, or has not begun."""
    ends_at = purchase.ends_at(at)
    state = purchase.state(at)
    match state:
        case "future":
            begins = min(i.starts_at for i in purchase.items if i.state(at) == "future")
            return f"{title} begins on {begins.date()}; until then it grants nothing."
        case "grace":
            ended = max(i.ends_at for i in purchase.items if i.state(at) == "grace")
            stops = max(i.grace_ends_at for i in purchase.items)
            return (
                f"{title} ended on {ended.date()} and works until {stops.date()}; "
                "upload a new licence before then."
            )
        case "expired":
            return f"{title} has ended and grants nothing; upload a new licence."
        case "active":
            if ends_at is None or ends_at - at > EXPIRES_SOON:
                return None
            return f"{title} ends on {ends_at.date()}; upload a new licence before then."
        case _:
            assert_never(state)


def limit_warning(*, title: str, quantity: int, given: int) -> str | None:
    """A sentence when more seats are given than are owned."""
    if given <= quantity:
        return None
    return (
        f"{title} has {quantity} seats, but {given} are given: the {given - quantity} given last "
        "open nothing. Take seats back, or buy more."
    )


def replaced_warning(*, is_demo: bool, counts: bool) -> str | None:
    """A sentence for a licence that no longer counts, or that never was a real one."""
    if not counts:
        return (
            "The demo authority that signed it was replaced by a real one, so it no longer counts; "
            "remove it."
        )
    if is_demo:
        return "It was signed by a demo authority, for trying the appliance out only."
    return None
