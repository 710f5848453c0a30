"""Takes licence files, and knows whose signature they need."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from appliance.accounts.usecases import raise_generation
from appliance.audit.rules import Actor, Target
from appliance.audit.usecases import record
from appliance.errors import NotFoundError
from appliance.licensing import rules, tables
from appliance.licensing.errors import (
    AuthorityChangeError,
    LicenceNamespaceUnknownError,
    LicenceTakenError,
)
from appliance.licensing.rules import Authority, Document, Licence, LicenceFile
from appliance.licensing.usecases.clock import clock_warning, licence_clock, note_time
from appliance.licensing.usecases.purchases import ALL, reports
from appliance.namespaces.usecases import find_namespace
from appliance.storage.engine import Session
from appliance.storage.identity import read_identity
from appliance.storage.outbox import publish
from gateway.contract.catalog import load_catalog

TOPIC = "licence"


def trusted_authority(session: Session) -> Authority | None:
    """Whose licences are taken; None until one is pinned."""
    return tables.trusted_authority(session)


def pin_authority(
    session: Session, public_key: str, *, is_demo: bool, actor: Actor, now: datetime
) -> bool:
    """Trusts a licence authority, given by its key in base64url; tells whether it is new.

    A real one takes a demo one's place, and then the licences of the demo one no longer count.

    Raises:
        AuthorityKeyInvalidError: it is no such key.
        AuthorityPinnedError: another is trusted already.
    """
    trusted = tables.trusted_authority(session)
    new = rules.authority_of(public_key, is_demo=is_demo)
    if not rules.check_pin(trusted, new):
        return False
    _trust(session, new, before=trusted, actor=actor, now=now)
    return True


def change_authority(session: Session, text: str, *, actor: Actor, now: datetime) -> Authority:
    """Hands over to another authority, by a file that the trusted one signed.

    Licences that were added before go on counting.

    Raises:
        AuthorityChangeError: the file is not taken.
        AuthorityKeyInvalidError: the new key is none.
    """
    trusted = tables.trusted_authority(session)
    new = rules.read_change(text, trusted=trusted)
    if tables.is_known_authority(session, new.fingerprint):
        raise AuthorityChangeError(reason="the new key was trusted before and replaced")
    _trust(session, new, before=trusted, actor=actor, now=now)
    return new


def _trust(
    session: Session, new: Authority, *, before: Authority | None, actor: Actor, now: datetime
) -> None:
    tables.trust(session, new, now=now)
    details = {"is_demo": new.is_demo, "before": before.fingerprint if before else None}
    action = "authority_replaced" if before is not None else "authority_pinned"
    target = Target(kind="licence_authority", id=new.fingerprint)
    record(session, action, actor=actor, target=target, details=details, now=now)
    raise_generation(session, None, now=now)
    publish(session, TOPIC, {"change": action}, now=now)


def licences(session: Session) -> list[Licence]:
    """All licences that were added and not removed, newest first."""
    return tables.licences(session)


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceReport:
    """A licence as an admin sees it `at` a moment, from its first line's start to its last end."""

    licence: Licence
    at: datetime
    starts_at: datetime
    ends_at: datetime
    is_expired: bool
    warnings: tuple[str, ...]


def licence_reports(session: Session, *, now: datetime) -> list[LicenceReport]:
    """All licences, newest first, with what an admin must do about what they buy."""
    at = licence_clock(session, now=now)
    said = {
        (each.purchase.add_on, each.purchase.root_namespace_id): each.warnings
        for each in reports(session, root_namespace_id=ALL, now=now)
    }
    clock = clock_warning(session, now=now)
    return [_report(licence, said, clock=clock, at=at) for licence in tables.licences(session)]


def _report(
    licence: Licence,
    said: Mapping[tuple[str, int | None], tuple[str, ...]],
    *,
    clock: str | None,
    at: datetime,
) -> LicenceReport:
    marked = rules.replaced_warning(is_demo=licence.is_demo, counts=licence.counts)
    own = [each for line in licence.lines for each in said[line.add_on, line.root_namespace_id]]
    ends_at = max(line.item.ends_at for line in licence.lines)
    return LicenceReport(
        licence=licence,
        at=at,
        starts_at=min(line.item.starts_at for line in licence.lines),
        ends_at=ends_at,
        is_expired=ends_at <= at,
        warnings=tuple(dict.fromkeys(each for each in (marked, clock, *own) if each)),
    )


def knows_licence(session: Session, text: str) -> bool:
    """Whether this very file was added before, also when it was removed since."""
    return tables.is_known_text(session, text)


def add_licence(session: Session, text: str, *, actor: Actor, now: datetime) -> Licence:
    """Takes a licence file; one that was removed may come again.

    Raises:
        LicenceError: it is not taken, by its code and sentence.
    """
    note_time(session, now=now)
    trusted = tables.trusted_authority(session)
    instance_id = read_identity(session).instance_id
    file = rules.read_licence(text, trusted=trusted, instance_id=instance_id)
    rules.check_lines(file.document, load_catalog(), at=licence_clock(session, now=now))
    licence_id = _restored(session, file)
    if licence_id is None:
        uploaded_by = int(actor.id) if actor.kind == "user" else None
        licence_id = tables.add_licence(session, file, uploaded_by=uploaded_by, now=now)
        _add_lines(session, file.document, licence_id, now=now)
    licence = _get(session, licence_id)
    _tell(session, licence, change="added", actor=actor, now=now)
    return licence


def remove_licence(session: Session, licence_id: int, *, actor: Actor, now: datetime) -> None:
    """Takes a licence out of all sums; seats stay, and count again when it comes back.

    Raises:
        NotFoundError: there is none of that number.
    """
    row = tables.licence_row_of(session, licence_id)
    if row is None:
        raise NotFoundError(what="License")
    licence = _get(session, licence_id)
    row.removed_at = now
    session.flush()
    _tell(session, licence, change="removed", actor=actor, now=now)


def _restored(session: Session, file: LicenceFile) -> int | None:
    row = tables.licence_row(session, str(file.document.serial))
    if row is None:
        return None
    if row.removed_at is None or row.text != file.text:
        raise LicenceTakenError(row.serial)
    row.removed_at = None
    session.flush()
    return row.id


def _add_lines(session: Session, document: Document, licence_id: int, *, now: datetime) -> None:
    for line in document.add_ons:
        owner = None if line.namespace is None else _root_group(session, line.namespace)
        purchase_id = tables.ensure_purchase(session, line.name, root_namespace_id=owner, now=now)
        tables.add_item(session, line.item(licence_id), purchase_id=purchase_id)


def _root_group(session: Session, path: str) -> int:
    namespace = find_namespace(session, path)
    if namespace is None or namespace.parent_id is not None:
        raise LicenceNamespaceUnknownError(path)
    return namespace.id


def _get(session: Session, licence_id: int) -> Licence:
    return next(each for each in tables.licences(session) if each.id == licence_id)


def _tell(session: Session, licence: Licence, *, change: str, actor: Actor, now: datetime) -> None:
    bought = [{"add_on": line.add_on, "quantity": line.item.quantity} for line in licence.lines]
    details = {
        "serial": licence.serial,
        "licensee": licence.licensee,
        "is_demo": licence.is_demo,
        "add_ons": bought,
    }
    target = Target(kind="licence", id=str(licence.id))
    record(session, f"licence_{change}", actor=actor, target=target, details=details, now=now)
    raise_generation(session, None, now=now)
    publish(session, TOPIC, {"id": licence.id, "change": change}, now=now)
