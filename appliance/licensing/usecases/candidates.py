"""Shows users as those whom seats are given to."""

from collections.abc import Sequence

from appliance.accounts.usecases import users_among
from appliance.errors import InvalidFieldsError, NotFoundError
from appliance.licensing import rules, tables
from appliance.licensing.rules import Candidate, Search
from appliance.storage.engine import Session
from appliance.storage.paging import Span, Stretch
from gateway.contract.catalog import load_catalog


def find_candidates(
    session: Session, search: Search, span: Span, *, add_on: str
) -> Stretch[Candidate]:
    """Users who can have a seat in one of the purchases, which are all of `add_on`.

    Raises:
        NotFoundError: no such purchase.
        InvalidFieldsError: a purchase of something else.
    """
    bought = {each.id: each.add_on for each in tables.all_purchases(session)}
    for purchase_id in search.purchase_ids:
        if purchase_id not in bought:
            raise NotFoundError(what="Add-on purchase")
        if bought[purchase_id] != add_on:
            title = rules.title(add_on, load_catalog())
            raise InvalidFieldsError({"addOnPurchaseIds": f"{purchase_id} is not one of {title}"})
    found = tables.active_user_ids(session, search, span)
    return Stretch(items=candidates(session, found.items), start=found.start, total=found.total)


def candidates(session: Session, user_ids: Sequence[int]) -> list[Candidate]:
    """Users with what there is to know of each, in the order of their ids as given.

    Raises:
        NotFoundError: no such user.
    """
    users = users_among(session, user_ids)
    if set(user_ids) - set(users):
        raise NotFoundError(what="User")
    active, held = (
        tables.last_active(session, user_ids),
        tables.purchases_by_user(session, user_ids),
    )
    return [
        Candidate(
            user=users[user_id],
            last_active_at=active[user_id],
            purchase_ids=frozenset(held.get(user_id, ())),
        )
        for user_id in dict.fromkeys(user_ids)
    ]
