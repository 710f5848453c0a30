"""The rows of gateways, their used assertions, and the feed key."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import JSON, BigInteger, Column, ForeignKey, String
from sqlmodel import Field, col, delete, select, update

from appliance.gateway_feed.rules import AcceptedAssertion, Gateway
from appliance.storage.engine import Row, Session
from appliance.storage.sealing import Place
from gateway.contract.feed import Report, ReportedModel

ONLY_ROW = 1


class GatewayRow(Row, table=True):
    """A registered gateway, by the thumbprint of its signing key."""

    __tablename__ = "gateways"

    id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    signing_key: bytes
    sealing_key: bytes
    registered_at: datetime
    last_seen_at: datetime | None = None
    # When it last had a stream of the feed open, to whichever process.
    streamed_at: datetime | None = None
    version: str | None = None
    reported_epoch: int | None = None
    reported_sequence: int | None = Field(default=None, sa_column=Column(BigInteger))
    reported_models: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSON))
    reported_kids: list[str] | None = Field(default=None, sa_column=Column(JSON))
    # How far its clock is ahead of ours, also of one that was refused for it.
    clock_skew_ms: int | None = Field(default=None, sa_column=Column(BigInteger))
    skew_measured_at: datetime | None = None


class UsedAssertionRow(Row, table=True):
    """An assertion that was used; kept until it could not be used anyway."""

    __tablename__ = "used_assertions"

    gateway_id: str = Field(
        sa_column=Column(String, ForeignKey("gateways.id", ondelete="CASCADE"), primary_key=True)
    )
    jti: str = Field(primary_key=True)
    expires_at: datetime = Field(index=True)


class FeedKeyRow(Row, table=True):
    """The key that signs feed documents and nothing else; the private half is sealed."""

    __tablename__ = "feed_keys"

    id: int = Field(primary_key=True)
    public_key: bytes
    sealed_private_key: bytes
    created_at: datetime


FEED_KEY_PLACE = Place(table=FeedKeyRow.__tablename__, column="sealed_private_key", row=ONLY_ROW)


def gateway_of(row: GatewayRow) -> Gateway:
    """The row as a value."""
    return Gateway(
        id=row.id,
        name=row.name,
        signing_key=row.signing_key,
        sealing_key=row.sealing_key,
        registered_at=row.registered_at,
        last_seen_at=row.last_seen_at,
        streamed_at=row.streamed_at,
        version=row.version,
        epoch=row.reported_epoch,
        sequence=row.reported_sequence,
        reported_models=msgspec.convert(row.reported_models or [], tuple[ReportedModel, ...]),
        kids=frozenset(row.reported_kids or ()),
        clock_skew_ms=row.clock_skew_ms,
        skew_measured_at=row.skew_measured_at,
    )


def gateway_row(session: Session, gateway_id: str) -> GatewayRow | None:
    """The gateway with that thumbprint."""
    return session.get(GatewayRow, gateway_id)


def gateway_row_named(session: Session, name: str) -> GatewayRow | None:
    """The gateway with that name."""
    return session.exec(select(GatewayRow).where(GatewayRow.name == name)).first()


def all_gateways(session: Session) -> Sequence[Gateway]:
    """Every gateway, by name."""
    rows = session.exec(select(GatewayRow).order_by(col(GatewayRow.name)))
    return [gateway_of(row) for row in rows]


def is_used(session: Session, assertion: AcceptedAssertion) -> bool:
    """Whether that assertion was used before."""
    key = (assertion.gateway_id, assertion.jti)
    return session.get(UsedAssertionRow, key) is not None


def note_used(session: Session, assertion: AcceptedAssertion, *, now: datetime) -> None:
    """Remembers an assertion, and forgets those that have run out."""
    session.exec(delete(UsedAssertionRow).where(col(UsedAssertionRow.expires_at) < now))
    row = UsedAssertionRow(
        gateway_id=assertion.gateway_id, jti=assertion.jti, expires_at=assertion.expires_at
    )
    session.add(row)
    session.flush()


def store_report(row: GatewayRow, report: Report, kids: list[str]) -> None:
    """Keeps what a gateway said last."""
    row.version = report.version
    row.reported_epoch = report.epoch
    row.reported_sequence = report.sequence
    row.reported_models = msgspec.to_builtins(report.models)
    row.reported_kids = kids


def note_skew(row: GatewayRow, skew_ms: int, *, now: datetime) -> None:
    """Keeps how far a gateway's clock is ahead."""
    row.clock_skew_ms = skew_ms
    row.skew_measured_at = now


def mark_streaming(session: Session, gateway_ids: Collection[str], *, now: datetime) -> None:
    """Keeps that these gateways have a stream open now."""
    query = update(GatewayRow).where(col(GatewayRow.id).in_(gateway_ids))
    session.exec(query.values(last_seen_at=now, streamed_at=now))


def feed_key_row(session: Session) -> FeedKeyRow | None:
    """The feed key."""
    return session.get(FeedKeyRow, ONLY_ROW)
