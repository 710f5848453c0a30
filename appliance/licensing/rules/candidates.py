"""Users as those whom seats are given to: which are asked for, and what is known of each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from appliance.accounts.rules import User

Order = Literal["id", "name", "last_active_at"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which users are asked for.

    `text` is part of a name, username or email; `has_seat` says whether in one of `purchase_ids`.
    """

    purchase_ids: tuple[int, ...]
    text: str | None = None
    has_seat: bool | None = None
    order: Order = "id"
    is_descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A user, when they last did something, and in which purchases they have a seat."""

    user: User
    last_active_at: datetime | None
    purchase_ids: frozenset[int]
