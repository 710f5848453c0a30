"""What a restore never lowers: who and what is revoked, and the numbers that only grow."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, func, insert, inspect, select, update

from appliance.storage import copying
from appliance.storage.engine import Row
from appliance.storage.identity import IdentityRow

BLOCKED = "blocked"
DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a database knows as ended, by user number, digest and key; and where its counts stand.

    A credential with a number up to the highest that is not there was removed.
    """

    instance_id: str | None = None
    feed_epoch: int = 0
    era: int = 0
    latest_time: datetime | None = None
    generations: dict[int, int] = field(default_factory=dict)
    blocked: dict[int, datetime | None] = field(default_factory=dict)
    credentials: dict[str, bool] = field(default_factory=dict)
    highest_credential: int = 0
    dead_keys: tuple[dict[str, Any], ...] = ()
    audit_head: tuple[int, str] = (0, "")


def _table(name: str) -> Table:
    return Row.metadata.tables[name]


def record_of(connection: Connection) -> Record:
    """The record of a database in this release's form; an empty one has none."""
    users, pats, keys = map(_table, ("users", "personal_access_tokens", "signing_keys"))
    identity = connection.execute(
        select(_table("instance_identity").c.instance_id, _table("instance_identity").c.feed_epoch)
    ).first()
    people = connection.execute(
        select(users.c.id, users.c.grant_generation, users.c.state, users.c.last_blocked_at)
    ).all()
    dead = connection.execute(select(keys).where(keys.c.state == DEAD)).mappings()
    head = connection.execute(
        select(_table("audit_heads").c.sequence, _table("audit_heads").c.digest)
    ).first()
    return Record(
        instance_id=identity[0] if identity else None,
        feed_epoch=identity[1] if identity else 0,
        era=connection.execute(select(func.max(_table("grant_eras").c.era))).scalar() or 0,
        latest_time=connection.execute(select(func.max(_clock_column()))).scalar(),
        generations={each.id: each.grant_generation for each in people},
        blocked={each.id: each.last_blocked_at for each in people if each.state == BLOCKED},
        credentials={
            digest: bool(is_revoked)
            for digest, is_revoked in connection.execute(select(pats.c.digest, pats.c.is_revoked))
        },
        highest_credential=copying.numbers_used(connection).get(pats.name, 0),
        dead_keys=tuple(dict(row) for row in dead),
        audit_head=(head[0], head[1]) if head else (0, ""),
    )


def _clock_column() -> Any:
    return _table("licence_clock").c.latest_at


def extends(connection: Connection, head: tuple[int, str]) -> bool:
    """Whether the audit log in `connection` goes on from the entry where another one ends."""
    sequence, digest = head
    if not sequence:
        return True
    events = _table("audit_events")
    query = select(events.c.digest).where(events.c.sequence == sequence)
    return connection.execute(query).scalar() == digest


def merge(connection: Connection, live: Record) -> None:
    """Brings what was ended in the database before into the one that was put in its place."""
    _merge_people(connection, live)
    _merge_credentials(connection, live)
    _merge_keys(connection, live)
    eras, clock = _table("grant_eras"), _table("licence_clock")
    connection.execute(update(eras).where(eras.c.era < live.era).values(era=live.era))
    if live.era and connection.execute(select(eras.c.era)).first() is None:
        connection.execute(insert(eras).values(id=1, era=live.era))
    if live.latest_time is not None:
        column = _clock_column()
        later = update(clock).where(column < live.latest_time)
        connection.execute(later.values({column: live.latest_time}))


def _merge_people(connection: Connection, live: Record) -> None:
    users = _table("users")
    for user_id, generation in live.generations.items():
        behind = and_(users.c.id == user_id, users.c.grant_generation < generation)
        connection.execute(update(users).where(behind).values(grant_generation=generation))
    for user_id, since in live.blocked.items():
        change = update(users).where(users.c.id == user_id, users.c.state != BLOCKED)
        connection.execute(change.values(state=BLOCKED, last_blocked_at=since))


def _merge_credentials(connection: Connection, live: Record) -> None:
    pats = _table("personal_access_tokens")
    found = connection.execute(select(pats.c.id, pats.c.digest).where(~pats.c.is_revoked)).all()
    for number, digest in found:
        # One that is gone went with its user; one made later than all of them was never there.
        is_gone = digest not in live.credentials and number <= live.highest_credential
        if live.credentials.get(digest, is_gone):
            change = update(pats).where(pats.c.id == number)
            connection.execute(change.values(is_revoked=True))


def _merge_keys(connection: Connection, live: Record) -> None:
    keys = _table("signing_keys")
    for dead in live.dead_keys:
        kid = dead["kid"]
        values = {"state": DEAD, "sealed_private_key": b"", "ended_at": dead["ended_at"]}
        change = update(keys).where(keys.c.kid == kid)
        if connection.execute(change.values(values)).rowcount == 0:
            connection.execute(insert(keys).values(dead))


def epoch_of(connection: Connection) -> int | None:
    """The feed's epoch; None where there is no instance."""
    identity = _table(IdentityRow.__tablename__)
    if not inspect(connection).has_table(identity.name):
        return None
    return connection.execute(select(identity.c.feed_epoch)).scalar()


def begin_epoch(connection: Connection, *, above: int) -> int | None:
    """Starts the feed anew, above the epoch it had and `above`; None for an empty instance."""
    now = epoch_of(connection)
    if now is None:
        return None
    epoch = max(now, above) + 1
    connection.execute(update(_table(IdentityRow.__tablename__)).values(feed_epoch=epoch))
    return epoch
