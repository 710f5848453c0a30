"""The rows of decisions that refused somebody."""

from collections.abc import Iterable
from datetime import datetime

from sqlmodel import Field, col, delete, select

from appliance.explanations.rules import RecordedDecision
from appliance.storage.engine import Row, Session


class DecisionRow(Row, table=True):
    """A refusal, by the `decision_id` that the caller was shown."""

    __tablename__ = "decisions"

    decision_id: str = Field(primary_key=True)
    gateway_id: str
    happened_at: datetime = Field(index=True)
    user_id: int | None = Field(default=None, index=True)
    subject: str
    namespace_id: int | None = None
    code: str
    unit_primitive: str
    provider: str | None = None
    model: str | None = None


def decision_of(row: DecisionRow) -> RecordedDecision:
    """The row as a value."""
    return RecordedDecision(
        decision_id=row.decision_id,
        gateway_id=row.gateway_id,
        happened_at=row.happened_at,
        user_id=row.user_id,
        subject=row.subject,
        namespace_id=row.namespace_id,
        code=row.code,
        unit_primitive=row.unit_primitive,
        provider=row.provider,
        model=row.model,
    )


def find(session: Session, decision_id: str) -> RecordedDecision | None:
    """The refusal of that id."""
    row = session.get(DecisionRow, decision_id)
    return None if row is None else decision_of(row)


def known_ids(session: Session, decision_ids: Iterable[str]) -> set[str]:
    """Which of them are kept already."""
    query = select(DecisionRow.decision_id)
    return set(session.exec(query.where(col(DecisionRow.decision_id).in_(set(decision_ids)))))


def add(session: Session, decision: RecordedDecision) -> None:
    """Keeps a refusal."""
    session.add(
        DecisionRow(
            decision_id=decision.decision_id,
            gateway_id=decision.gateway_id,
            happened_at=decision.happened_at,
            user_id=decision.user_id,
            subject=decision.subject,
            namespace_id=decision.namespace_id,
            code=decision.code,
            unit_primitive=decision.unit_primitive,
            provider=decision.provider,
            model=decision.model,
        )
    )


def delete_before(session: Session, at: datetime) -> None:
    """Forgets what happened at `at` and before."""
    session.exec(delete(DecisionRow).where(col(DecisionRow.happened_at) <= at))
