"""The rows of self-hosted models."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import JSON, Column
from sqlmodel import Field, col, select

from appliance.self_hosted_models.rules import SelfHostedModel
from appliance.storage.engine import MAX_ID, Row, Session
from appliance.storage.paging import Page, Slice, cut
from appliance.storage.sealing import Place
from gateway.contract.selection import ref_key


class SelfHostedModelRow(Row, table=True):
    """A model; `ref_key` is the folded ref, which makes refs unique."""

    __tablename__ = "self_hosted_models"
    # A sealed API key is bound to its row's number, which must not come back.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # SQLAlchemy's own name

    id: int | None = Field(default=None, primary_key=True)
    ref: str
    ref_key: str = Field(unique=True)
    name: str
    family: str
    endpoint: str
    identifier: str
    provider: str
    sealed_api_key: bytes | None = None
    is_local: bool = False
    is_enabled: bool = True
    # CIDRs of the clients that may use it; none: all.
    allowed_networks: list[str] = Field(
        default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]")
    )
    # Base URLs besides `endpoint`.
    further_endpoints: list[str] = Field(
        default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]")
    )
    max_in_flight: int | None = None
    created_at: datetime
    updated_at: datetime


def model_of(row: SelfHostedModelRow) -> SelfHostedModel:
    """The row as a value, without its API key."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    return SelfHostedModel(
        id=row.id,
        ref=row.ref,
        name=row.name,
        family=row.family,
        endpoint=row.endpoint,
        identifier=row.identifier,
        provider=row.provider,
        has_api_key=row.sealed_api_key is not None,
        is_local=row.is_local,
        created_at=row.created_at,
        updated_at=row.updated_at,
        is_enabled=row.is_enabled,
        allowed_networks=tuple(row.allowed_networks),
        further_endpoints=tuple(row.further_endpoints),
        max_in_flight=row.max_in_flight,
    )


def place_of(model_id: int) -> Place:
    """What an API key's seal is bound to."""
    return Place(table=SelfHostedModelRow.__tablename__, column="sealed_api_key", row=model_id)


def model_row(session: Session, model_id: int) -> SelfHostedModelRow | None:
    """The model's row, for changing it."""
    return session.get(SelfHostedModelRow, model_id) if 0 < model_id <= MAX_ID else None


def local_row(session: Session) -> SelfHostedModelRow | None:
    """The row of the model that this box's own set-up looks after."""
    query = select(SelfHostedModelRow).where(col(SelfHostedModelRow.is_local))
    return session.exec(query.order_by(col(SelfHostedModelRow.id))).first()


def row_of_ref(session: Session, ref: str) -> SelfHostedModelRow | None:
    """The row of the model that has that ref, but for case and separators."""
    query = select(SelfHostedModelRow).where(SelfHostedModelRow.ref_key == ref_key(ref))
    return session.exec(query).first()


def has_ref(session: Session, ref: str, *, besides: int | None) -> bool:
    """Whether another model than `besides` has that ref."""
    found = row_of_ref(session, ref)
    return found is not None and found.id != besides


def model_page(session: Session, page: Page) -> Slice[SelfHostedModel]:
    """A page of the models, oldest first."""
    rows = cut(session, select(SelfHostedModelRow).order_by(col(SelfHostedModelRow.id)), page)
    return Slice(items=[model_of(row) for row in rows.items], page=page, total=rows.total)


def all_rows(session: Session) -> Sequence[SelfHostedModelRow]:
    """Every model, by ref."""
    query = select(SelfHostedModelRow).order_by(col(SelfHostedModelRow.ref_key))
    return session.exec(query).all()
