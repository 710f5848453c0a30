"""Writes what was done into the log, and reads it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from appliance.audit import rules, tables
from appliance.audit.rules import Actor, AuditEvent, Entry, Filter, Target, Verdict
from appliance.storage.engine import Session
from appliance.storage.outbox import keep_order
from appliance.storage.paging import Page, Slice

REFUSED = "request_refused"
# Nobody fills the log with what they may not do.
REFUSAL_PERIOD = timedelta(minutes=1)


def record(
    session: Session,
    action: str,
    *,
    actor: Actor,
    target: Target,
    details: Mapping[str, Any],
    now: datetime,
) -> None:
    """Adds an entry, in the transaction of what it tells; `details` never hold a secret.

    Raises:
        TypeError, ValueError: details that JSON cannot carry.
    """
    # Numbers without gaps and a chain allow one writer at a time, until its commit.
    keep_order(session)
    entry = Entry(
        happened_at=now, action=action, actor=actor, target=target, details=rules.plain(details)
    )
    head = tables.held_head(session)
    tables.add(session, rules.append(entry, after=tables.link_of(head)), head=head)


def is_refusal_known(session: Session, actor: Actor, target: Target, *, now: datetime) -> bool:
    """Whether the actor was refused the same within the last minute."""
    entry = Entry(happened_at=now, action=REFUSED, actor=actor, target=target, details={})
    return tables.was_noted(session, entry, within=REFUSAL_PERIOD)


def record_refusal(
    session: Session, code: str, *, actor: Actor, target: Target, now: datetime
) -> None:
    """Adds that the actor was refused something, unless that was told within the last minute."""
    if not is_refusal_known(session, actor, target, now=now):
        record(session, REFUSED, actor=actor, target=target, details={"code": code}, now=now)


def list_events(
    session: Session,
    page: Page,
    *,
    action: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> Slice[AuditEvent]:
    """A page of the entries, newest first; both moments are inside."""
    wanted = Filter(action=action, created_after=created_after, created_before=created_before)
    return tables.event_page(session, page, wanted)


def verify(session: Session) -> Verdict:
    """Walks the whole log; needs a session that sees one unchanging state."""
    return rules.judge(tables.walk(session), head=tables.head(session))
