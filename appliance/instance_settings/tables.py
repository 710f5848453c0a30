"""The rows of instance settings, and of the issuers that tokens have named."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Field, col, delete, select

from appliance.instance_settings.rules import NAMES, FormerIssuer, Stored
from appliance.storage.engine import Row, Session

# Beside the settings: the issuer that was noted last, and those before it by their own names.
ISSUER = "issuer"
FORMER = "former_issuer "


class InstanceSettingRow(Row, table=True):
    """A setting that was changed from what the environment says; the value before is kept."""

    __tablename__ = "instance_settings"

    name: str = Field(primary_key=True)
    value: str
    previous_value: str | None = None
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that is stored; `noted_issuer` None: no instance of this release has started yet."""

    settings: Sequence[Stored]
    noted_issuer: str | None
    former_issuers: Sequence[FormerIssuer]


def read(session: Session) -> Contents:
    """Everything, in one question."""
    rows = list(session.exec(select(InstanceSettingRow)))
    return Contents(
        settings=[
            Stored(name=row.name, value=row.value, changed_at=row.changed_at)
            for row in rows
            if row.name in NAMES
        ],
        noted_issuer=next((row.value for row in rows if row.name == ISSUER), None),
        former_issuers=[
            FormerIssuer(issuer=row.value, replaced_at=row.changed_at)
            for row in rows
            if row.name.startswith(FORMER)
        ],
    )


def store(session: Session, name: str, value: str, *, now: datetime) -> None:
    """Sets one."""
    row = session.get(InstanceSettingRow, name)
    if row is None:
        row = InstanceSettingRow(name=name, value=value, changed_at=now)
    else:
        row.previous_value, row.value, row.changed_at = row.value, value, now
    session.add(row)
    session.flush()


def store_former(session: Session, issuer: str, *, now: datetime) -> None:
    """Notes that tokens name this issuer no longer."""
    store(session, FORMER + issuer, issuer, now=now)


def forget(session: Session, names: Collection[str]) -> None:
    """Takes settings back."""
    session.exec(delete(InstanceSettingRow).where(col(InstanceSettingRow.name).in_(names)))


def forget_former(session: Session, issuers: Collection[str]) -> None:
    """Forgets issuers that no living token names."""
    forget(session, [FORMER + each for each in issuers])
