"""Reads the gateway's definitions of its models, and takes over what they change."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from http import HTTPStatus

import anyio.to_thread
import structlog

from appliance.audit.rules import Actor, Target
from appliance.audit.usecases import record
from appliance.instance_settings.rules import Addresses
from appliance.instance_settings.usecases import addresses
from appliance.model_selection import tables
from appliance.model_selection.errors import DefinitionsRefusedError, DefinitionsUnavailableError
from appliance.model_selection.rules.definitions import Problem, Reading, read_definitions
from appliance.model_selection.rules.syncing import (
    Changes,
    Look,
    Plan,
    Report,
    SyncState,
    is_due,
    wait,
)
from appliance.model_selection.usecases.mentions import rename
from appliance.model_selection.usecases.planning import TOPIC, is_current, plan_of
from appliance.model_selection.usecases.suspensions import INSTANCE, Note, note_offers
from appliance.outbound import Reply, UnreachableError
from appliance.storage.engine import Session
from appliance.storage.outbox import publish
from gateway.contract.catalog import Catalog
from gateway.contract.definitions import DEFINITIONS_PATH

# Gets what lies at an address; UnreachableError without an answer.
Fetch = Callable[[str], Awaitable[Reply]]

CAUSE = "models_synced"

log = structlog.get_logger()


class ModelSync:
    """Looks at the definitions of the gateway that the instance calls.

    `chance` gives a number from 0 to 1, so that several instances do not ask at once.
    """

    def __init__(
        self,
        fetch: Fetch,
        told: Addresses,
        *,
        catalog: Catalog,
        interval: timedelta,
        chance: Callable[[], float],
    ) -> None:
        self._fetch = fetch
        self._told = told
        self._catalog = catalog
        self._interval = interval
        self._chance = chance

    def source(self, session: Session) -> str:
        """The gateway that is asked."""
        return addresses(session, self._told).ai_gateway_url

    def due_source(self, session: Session, *, now: datetime) -> str | None:
        """The gateway that is to be asked now, None if none is."""
        source = self.source(session)
        return source if is_due(tables.syncing.sync_state(session), source, now=now) else None

    async def look(self, source: str) -> Look:
        """Asks the gateway; whatever goes wrong is a part of the result."""
        try:
            reading = await self._read(source + DEFINITIONS_PATH)
        except (UnreachableError, DefinitionsRefusedError) as error:
            reason = getattr(error, "reason", None)
            log.warning("models_sync_failed", code=error.code, reason=reason)
            end = "." if reason is None else f" ({reason})."
            return Look(source=source, failure=f"{str(error).removesuffix('.')}{end}")
        return Look(source=source, reading=reading)

    async def _read(self, url: str) -> Reading:
        reply = await self._fetch(url)
        if reply.status != HTTPStatus.OK:
            raise DefinitionsUnavailableError(reply.status)
        # A long document takes a while, and others wait for the event loop.
        return await anyio.to_thread.run_sync(read_definitions, reply.body, self._catalog)

    def plan(self, session: Session, look: Look) -> Plan:
        """Finds out what the look changes, which takes too long for who holds others back."""
        return plan_of(session, look, self._catalog)

    def apply(self, session: Session, plan: Plan, *, actor: Actor, now: datetime) -> Report:
        """Takes over what is planned, if anything, and remembers how it went."""
        look = plan.look
        before = tables.syncing.sync_state(session)
        if look.reading is None:
            failures = _failures(before, look.source) + 1
            succeeded_at, problems = _last_success(before)
        else:
            if not is_current(session, plan):
                plan = self.plan(session, look)
            failures, succeeded_at, problems = 0, now, plan.problems
        state = SyncState(
            source=look.source,
            tried_at=now,
            succeeded_at=succeeded_at,
            failures=failures,
            due_at=now + wait(failures, self._interval, chance=self._chance()),
            failure=look.failure,
            problems=problems,
        )
        if plan.changes:
            _write(session, plan, actor=actor, now=now)
            _tell(session, plan.changes, state, actor=actor, now=now)
        tables.syncing.keep_sync_state(session, state)
        return Report(state=state, changes=plan.changes.counts)


def _write(session: Session, plan: Plan, *, actor: Actor, now: datetime) -> None:
    changes = plan.changes
    for old_ref, new_ref in changes.respelled.items():
        # The same model in another spelling: what names it goes on naming it.
        rename(session, old_ref, new_ref, now=now)
    tables.syncing.delete_offers(session, [model.id for model in changes.deleted])
    tables.syncing.retire_offers(session, [model.id for model in changes.retired], now=now)
    tables.syncing.rewrite_offers(session, (*changes.changed, *changes.returned), now=now)
    tables.syncing.add_offers(session, changes.added, now=now)
    note = Note(cause=CAUSE, actor=actor, target=INSTANCE, now=now)
    note_offers(session, plan.before, plan.after, note=note)


def _tell(
    session: Session, changes: Changes, state: SyncState, *, actor: Actor, now: datetime
) -> None:
    publish(session, TOPIC, {"change": "synced"}, now=now)
    record(
        session,
        "models_synced",
        actor=actor,
        target=Target(kind="gateway", id=""),
        details={**changes.counts, "problems": len(state.problems), "source": state.source},
        now=now,
    )


def _failures(before: SyncState | None, source: str) -> int:
    # Those of another gateway say nothing of this one.
    return before.failures if before is not None and before.source == source else 0


def _last_success(before: SyncState | None) -> tuple[datetime | None, tuple[Problem, ...]]:
    return (None, ()) if before is None else (before.succeeded_at, before.problems)
