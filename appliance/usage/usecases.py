"""Counts what gateways tell, once, and shows it to who may see it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from appliance.accounts.rules import User
from appliance.namespaces.rules import AccessLevel
from appliance.namespaces.usecases import access_level, tree_ids, visible_namespace
from appliance.storage.engine import Session
from appliance.storage.paging import Page, Slice
from appliance.usage import rules, tables
from appliance.usage.errors import OthersUsageError
from appliance.usage.rules import CountedEvent, Extent, Group, Line, Retention
from gateway.contract.events import RefusedEvent, UsageEvent


def count(
    session: Session,
    gateway_id: str,
    events: Sequence[UsageEvent],
    *,
    user_ids: Mapping[str, int],
    now: datetime,
    keeps: timedelta,
) -> Sequence[RefusedEvent]:
    """Counts events that were not counted before; those that never will be come back.

    `user_ids` has the users behind the subjects that are known here, `keeps` is how long single
    events are kept.
    """
    refused: list[RefusedEvent] = []
    good: dict[str, UsageEvent] = {}
    for event in events:
        reason = rules.refusal(event, now=now, keeps=keeps)
        if reason is None:
            good.setdefault(event.event_id, event)
        else:
            refused.append(RefusedEvent(event_id=event.event_id[:26], reason=reason))
    counted = [
        CountedEvent(
            gateway_id=gateway_id,
            user_id=user_ids.get(event.subject),
            happened_at=rules.moment(event),
            received_at=now,
            event=event,
        )
        for event in good.values()
    ]
    new = tables.add_new(session, counted)
    sums = rules.add_up((good[event_id] for event_id in new), user_ids=user_ids)
    tables.add_sums(session, sums)
    return refused


def extent_for(
    session: Session,
    user: User,
    days: tuple[date, date],
    *,
    user_id: int | None,
    namespace_id: int | None,
    now: datetime,
) -> Extent:
    """What a user may see of what they ask for: their own; as an owner, their groups'; all.

    A group's usage is that of the groups below it as well.

    Raises:
        NotFoundError: the user may not know of the group.
        OthersUsageError: it is neither their own nor that of a group they own.
    """
    namespace_ids = None
    may_see_others = user.is_admin
    if namespace_id is not None:
        namespace = visible_namespace(session, user, namespace_id, now=now)
        level = access_level(session, user, namespace, now=now)
        may_see_others = level is not None and level >= AccessLevel.OWNER
        namespace_ids = frozenset(tree_ids(session, namespace))
    elif user_id is None and not user.is_admin:
        user_id = user.id
    if not may_see_others and user_id != user.id:
        raise OthersUsageError
    first, last = days
    return Extent(first=first, last=last, user_id=user_id, namespace_ids=namespace_ids)


def sum_up(session: Session, extent: Extent, groups: Sequence[Group]) -> Sequence[Line]:
    """The sums of an extent.

    Raises:
        InvalidFieldsError: too many lines for one answer.
    """
    lines = tables.sum_up(session, extent, groups, limit=rules.MAX_LINES + 1)
    rules.check_length(len(lines))
    return lines


def list_events(session: Session, extent: Extent, page: Page) -> Slice[CountedEvent]:
    """A page of the single events of an extent, newest first."""
    return tables.event_page(session, extent, page)


def prune(session: Session, retention: Retention, *, now: datetime) -> None:
    """Forgets what is older than it is kept."""
    tables.forget(
        session,
        events_before=now - retention.events,
        sums_before=(now - retention.sums).date(),
    )
