"""The rows of what feature flags were set to."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import UniqueConstraint, and_, or_
from sqlmodel import Field, col, delete, select

from appliance.feature_flags.rules import Asker, Gate, GateKind
from appliance.storage.engine import Row, Session


class FlagGateRow(Row, table=True):
    """One setting of a flag.

    `gate` is `everyone`, `user`, `namespace` or `percentage_of_users`; `subject_id` is the user's
    or the group's id, else 0; `value` is 0 or 1, or the percentage.
    """

    __tablename__ = "feature_flag_gates"
    __table_args__ = (UniqueConstraint("flag", "gate", "subject_id"),)

    id: int | None = Field(default=None, primary_key=True)
    flag: str
    gate: str
    subject_id: int = 0
    value: int
    updated_at: datetime


def all_gates(session: Session) -> Sequence[Gate]:
    """Everything that was set, of all flags."""
    return _gates(session.exec(select(FlagGateRow).order_by(col(FlagGateRow.id))))


def gates_for(session: Session, asker: Asker) -> Sequence[Gate]:
    """What was set for everyone, for the asker and for their groups, of all flags."""
    named = [("namespace", each) for each in asker.namespaces]
    if asker.user_id is not None:
        named.append(("user", asker.user_id))
    # Thousands may be named in a flag, and every token that is minted asks here.
    wanted = [
        and_(col(FlagGateRow.gate) == gate, col(FlagGateRow.subject_id) == subject_id)
        for gate, subject_id in named
    ]
    query = select(FlagGateRow).where(or_(col(FlagGateRow.subject_id) == 0, *wanted))
    return _gates(session.exec(query.order_by(col(FlagGateRow.id))))


def _gates(rows: Iterable[FlagGateRow]) -> Sequence[Gate]:
    return [
        Gate(
            flag=row.flag,
            kind=cast("GateKind", row.gate),
            subject_id=row.subject_id,
            value=row.value,
        )
        for row in rows
    ]


def set_gate(session: Session, gate: Gate, *, now: datetime) -> None:
    """Sets one gate, in place of what it was."""
    query = select(FlagGateRow).where(
        FlagGateRow.flag == gate.flag,
        FlagGateRow.gate == gate.kind,
        FlagGateRow.subject_id == gate.subject_id,
    )
    row = session.exec(query).first()
    if row is None:
        row = FlagGateRow(
            flag=gate.flag,
            gate=gate.kind,
            subject_id=gate.subject_id,
            value=gate.value,
            updated_at=now,
        )
        session.add(row)
    row.value, row.updated_at = gate.value, now
    session.flush()


def clear_gates(session: Session, flag: str, *, kind: GateKind | None = None) -> None:
    """Forgets what a flag was set to, or one kind of it."""
    statement = delete(FlagGateRow).where(col(FlagGateRow.flag) == flag)
    if kind is not None:
        statement = statement.where(col(FlagGateRow.gate) == kind)
    session.exec(statement)
