"""Takes a wish on, if its user has not asked too often, and takes it back again."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from appliance.ai_actions import tables
from appliance.ai_actions.errors import TooManyRequestsError
from appliance.ai_actions.rules import Ended, Placed, Request, Wish
from appliance.storage.engine import Session

# As the real instance counts.
RATE_PERIOD = timedelta(hours=8)
# Long enough for the rate, and for who reads an answer on the next day.
KEPT = timedelta(hours=24)


def accept(
    session: Session, wish: Wish, placed: Placed, *, requests_per_8h: int, now: datetime
) -> Request:
    """Stores what was permitted; from the commit on it ends with exactly one answer.

    `requests_per_8h` 0: there is no limit.

    Raises:
        TooManyRequestsError: the user asked as often as that already.
    """
    tables.requests.hold_back_others(session, wish.user_id)
    if requests_per_8h:
        asked = tables.requests.count_since(session, wish.user_id, now - RATE_PERIOD)
        if asked >= requests_per_8h:
            raise TooManyRequestsError(requests_per_8h)
    return tables.requests.add(session, wish, placed, uid=str(uuid4()), now=now)


def ended_of(session: Session, user_id: int, uids: Collection[str]) -> Sequence[Ended]:
    """Those of the user's requests that have ended and are remembered, with their answers."""
    return tables.requests.ended_among(session, user_id, uids)


def ask_to_cancel(session: Session, user_id: int, uid: str) -> bool:
    """Wants no answer to a request any more; False: it has ended, or is nobody's or another's."""
    return tables.requests.ask_to_end(session, user_id, uid)


def forget_ended(session: Session, *, now: datetime) -> None:
    """Drops requests that nobody asks for any more."""
    tables.requests.forget_ended(session, before=now - KEPT)
