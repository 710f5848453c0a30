"""Reads and writes authorities, licences and what they buy."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, exists, or_, true
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from appliance.licensing.rules import Authority, Item, Licence, LicenceFile, Line, Purchase
from appliance.licensing.tables.rows import AuthorityRow, LicenceItemRow, LicenceRow, PurchaseRow
from appliance.storage.engine import MAX_ID, Session


def trusted_authority(session: Session) -> Authority | None:
    """The authority whose licences are taken."""
    row = session.exec(select(AuthorityRow).where(col(AuthorityRow.is_trusted))).first()
    if row is None:
        return None
    return Authority(fingerprint=row.fingerprint, public_key=row.public_key, is_demo=row.is_demo)


def is_known_authority(session: Session, fingerprint: str) -> bool:
    """Whether the key was trusted before, or is."""
    return session.get(AuthorityRow, fingerprint) is not None


def trust(session: Session, authority: Authority, *, now: datetime) -> None:
    """Trusts a new authority, in the place of the one before."""
    for row in session.exec(select(AuthorityRow).where(col(AuthorityRow.is_trusted))):
        row.is_trusted = False
        row.replaced_at = now
    session.flush()
    session.add(
        AuthorityRow(
            fingerprint=authority.fingerprint,
            public_key=authority.public_key,
            is_demo=authority.is_demo,
            is_trusted=True,
            pinned_at=now,
        )
    )
    session.flush()


def _counts() -> ColumnElement[bool]:
    """A condition on a licence's authority: a demo one counts until a real one is trusted."""
    real = aliased(AuthorityRow)
    is_replaced = exists().where(col(real.is_trusted), ~col(real.is_demo))
    return or_(~col(AuthorityRow.is_demo), ~is_replaced)


# Built once: each minted token asks, and building takes longer than asking.
_COUNTING = (
    select(LicenceRow.id)
    .join(AuthorityRow, col(AuthorityRow.fingerprint) == LicenceRow.authority)
    .where(col(LicenceRow.removed_at).is_(None), _counts())
)
_PURCHASES = select(PurchaseRow, LicenceItemRow).join(
    LicenceItemRow,
    and_(
        col(LicenceItemRow.purchase_id) == PurchaseRow.id,
        col(LicenceItemRow.licence_id).in_(_COUNTING),
    ),
    isouter=True,
)
_OWNED_BY_GROUPS = (
    select(LicenceItemRow.id)
    .join(PurchaseRow, col(PurchaseRow.id) == LicenceItemRow.purchase_id)
    .where(col(PurchaseRow.root_namespace_id).is_not(None))
    .where(col(LicenceItemRow.starts_at) <= bindparam("at"))
    .where(col(LicenceItemRow.grace_ends_at) > bindparam("at"))
    .where(col(LicenceItemRow.licence_id).in_(_COUNTING))
    .limit(1)
)


def licence_row(session: Session, serial: str) -> LicenceRow | None:
    """The licence with that serial, also a removed one."""
    return session.exec(select(LicenceRow).where(LicenceRow.serial == serial)).first()


def licence_row_of(session: Session, licence_id: int) -> LicenceRow | None:
    """The licence of that number, unless it was removed."""
    row = session.get(LicenceRow, licence_id) if 0 < licence_id <= MAX_ID else None
    return row if row is not None and row.removed_at is None else None


def is_known_text(session: Session, text: str) -> bool:
    """Whether this very file was added before, also when it was removed since."""
    return session.exec(select(LicenceRow.id).where(LicenceRow.text == text)).first() is not None


def add_licence(
    session: Session, file: LicenceFile, *, uploaded_by: int | None, now: datetime
) -> int:
    """Stores a licence, still without its items; its number."""
    row = LicenceRow(
        serial=str(file.document.serial),
        authority=file.authority,
        licensee=file.document.licensee,
        text=file.text,
        issued_at=file.document.issued_at,
        uploaded_at=now,
        uploaded_by=uploaded_by,
    )
    session.add(row)
    session.flush()
    assert row.id is not None  # noqa: S101  # the database gave it
    return row.id


def add_item(session: Session, item: Item, *, purchase_id: int) -> None:
    """Adds to a purchase."""
    session.add(
        LicenceItemRow(
            licence_id=item.licence_id,
            purchase_id=purchase_id,
            quantity=item.quantity,
            starts_at=item.starts_at,
            ends_at=item.ends_at,
            grace_ends_at=item.grace_ends_at,
            accompanies=item.accompanies,
        )
    )
    session.flush()


def licences(session: Session) -> list[Licence]:
    """All that were not removed, newest first."""
    query = (
        select(LicenceRow, AuthorityRow, _counts())
        .where(LicenceRow.authority == AuthorityRow.fingerprint)
        .where(col(LicenceRow.removed_at).is_(None))
        .order_by(col(LicenceRow.id).desc())
    )
    lines: dict[int, list[Line]] = {}
    bought = select(LicenceItemRow, PurchaseRow).where(LicenceItemRow.purchase_id == PurchaseRow.id)
    for item, purchase in session.exec(bought.order_by(col(LicenceItemRow.id))):
        line = Line(
            add_on=purchase.add_on,
            root_namespace_id=purchase.root_namespace_id,
            item=_item_of(item),
        )
        lines.setdefault(item.licence_id, []).append(line)
    return [
        Licence(
            id=row.id or 0,
            serial=row.serial,
            licensee=row.licensee,
            authority=authority.fingerprint,
            is_demo=authority.is_demo,
            counts=bool(counts),
            issued_at=row.issued_at,
            uploaded_at=row.uploaded_at,
            uploaded_by=row.uploaded_by,
            lines=tuple(lines.get(row.id or 0, ())),
        )
        for row, authority, counts in session.exec(query)
    ]


def _item_of(row: LicenceItemRow) -> Item:
    return Item(
        licence_id=row.licence_id,
        quantity=row.quantity,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        grace_ends_at=row.grace_ends_at,
        accompanies=row.accompanies,
    )


def ensure_purchase(
    session: Session, add_on: str, *, root_namespace_id: int | None, now: datetime
) -> int:
    """The number of the purchase of an add-on for that owner; made when it is the first."""
    key = f"{add_on}:{root_namespace_id or 0}"
    row = session.exec(select(PurchaseRow).where(PurchaseRow.owner_key == key)).first()
    if row is None:
        row = PurchaseRow(
            add_on=add_on, root_namespace_id=root_namespace_id, owner_key=key, created_at=now
        )
        session.add(row)
        session.flush()
    assert row.id is not None  # noqa: S101  # the database gave it
    return row.id


def all_purchases(session: Session) -> list[Purchase]:
    """Every owner's purchases, oldest first."""
    return _purchases(session, true())


def purchases_of(session: Session, owners: Collection[int | None]) -> list[Purchase]:
    """The purchases of root groups, and with None those of the instance, oldest first."""
    groups = [owner for owner in owners if owner is not None]
    owned: ColumnElement[bool] = col(PurchaseRow.root_namespace_id).in_(groups)
    if None in owners:
        owned = or_(owned, col(PurchaseRow.root_namespace_id).is_(None))
    return _purchases(session, owned)


def purchase_of(session: Session, purchase_id: int) -> Purchase | None:
    """The purchase of that number."""
    found = _purchases(session, col(PurchaseRow.id) == purchase_id)
    return found[0] if found else None


def is_any_owned_by_a_group(session: Session, *, at: datetime) -> bool:
    """Whether some root group owns something at `at`, in grace or before it."""
    return session.exec(_OWNED_BY_GROUPS, params={"at": at}).first() is not None


def _purchases(session: Session, owned: ColumnElement[bool]) -> list[Purchase]:
    query = _PURCHASES.where(owned).order_by(col(PurchaseRow.id), col(LicenceItemRow.id))
    found: dict[int, tuple[PurchaseRow, list[Item]]] = {}
    for purchase, item in session.exec(query):
        items = found.setdefault(purchase.id or 0, (purchase, []))[1]
        # The outer join's type does not say that the right side may be missing.
        if item is not None:
            items.append(_item_of(item))
    return [
        Purchase(
            id=number,
            add_on=row.add_on,
            root_namespace_id=row.root_namespace_id,
            items=tuple(items),
        )
        for number, (row, items) in found.items()
    ]
