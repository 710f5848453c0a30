"""What an AI admin and the set-up do with the registrations, and what the feed reads of them."""

import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from appliance.audit.rules import SYSTEM, Actor, Target
from appliance.audit.usecases import record
from appliance.errors import NotFoundError
from appliance.self_hosted_models import rules, tables
from appliance.self_hosted_models.errors import RefTakenError
from appliance.self_hosted_models.rules import Description, SelfHostedModel, ServedModel
from appliance.storage.engine import Session
from appliance.storage.outbox import publish
from appliance.storage.paging import Page, Slice
from appliance.storage.sealing import Place, Sealer
from gateway.contract.catalog import load_catalog
from gateway.contract.selection import ref_key

TOPIC = "self_hosted_model"
FIELDS = ("ref", "name", "family", "endpoint", "identifier", "provider", "is_enabled")
ALLOWED_NETWORKS = "allowed_networks"
# What an entry of the audit calls them, as the interface does.
SHOWN = {"is_enabled": "enabled", ALLOWED_NETWORKS: "allowed_cidrs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModelResult:
    """What the set-up did with its model: made it, or changed the named fields of it."""

    is_new: bool
    changed: Sequence[str]


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host; blocks, for up to the resolver's patience.

    Raises:
        OSError: the host has none, or nobody can tell.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(address[0]) for *_, address in found})


def list_models(session: Session, page: Page) -> Slice[SelfHostedModel]:
    """A page of the models, oldest first."""
    return tables.model_page(session, page)


def get_model(session: Session, model_id: int) -> SelfHostedModel:
    """One model.

    Raises:
        NotFoundError: no such model.
    """
    return tables.model_of(_row(session, model_id))


def find_model(session: Session, ref: str) -> SelfHostedModel | None:
    """The model of exactly that ref, as the gateway looks for it; any text may be asked for."""
    row = tables.row_of_ref(session, ref) if rules.REF.fullmatch(ref) else None
    return tables.model_of(row) if row is not None and row.ref == ref else None


def create_model(
    session: Session, description: Description, *, sealer: Sealer, actor: Actor, now: datetime
) -> SelfHostedModel:
    """Registers a model; its endpoint has been checked by `rules.checked_endpoint`.

    Raises:
        InvalidFieldsError: a field is missing or cannot be used.
        RefTakenError: another model has the ref.
    """
    row = _create(session, description, sealer=sealer, actor=actor, now=now)
    return tables.model_of(row)


def change_model(
    session: Session,
    model_id: int,
    description: Description,
    *,
    sealer: Sealer,
    actor: Actor,
    now: datetime,
) -> SelfHostedModel:
    """Changes what `description` names; a new endpoint has been checked before.

    Raises:
        NotFoundError: no such model.
        InvalidFieldsError: a field cannot be used.
        RefTakenError: another model has the ref.
    """
    row = _row(session, model_id)
    _change(session, row, description, sealer=sealer, actor=actor, now=now)
    return tables.model_of(row)


def delete_model(session: Session, model_id: int, *, actor: Actor, now: datetime) -> None:
    """Removes a model.

    Raises:
        NotFoundError: no such model.
    """
    row = _row(session, model_id)
    session.delete(row)
    session.flush()
    _publish(session, row, "deleted", now=now)
    _record(session, row, "deleted", actor=actor, now=now)


def ensure_local_model(
    session: Session, description: Description, *, sealer: Sealer, now: datetime
) -> LocalModelResult:
    """Registers the model of this box, or takes over what changed of it.

    Raises:
        InvalidFieldsError: a field is missing or cannot be used.
        RefTakenError: a model that somebody else registered has the ref.
    """
    row = tables.local_row(session)
    if row is None:
        row = _create(session, description, sealer=sealer, actor=SYSTEM, now=now)
        row.is_local = True
        session.flush()
        return LocalModelResult(is_new=True, changed=())
    changed = _change(session, row, description, sealer=sealer, actor=SYSTEM, now=now)
    return LocalModelResult(is_new=False, changed=changed)


def served_models(
    session: Session, sealer: Sealer, *, among: Collection[str] | None = None
) -> Sequence[ServedModel]:
    """Every enabled model, with its API key in clear, by ref; or those of the refs `among`."""
    return [
        ServedModel(model=tables.model_of(row), api_key=_api_key(row, sealer))
        for row in tables.all_rows(session)
        if row.is_enabled and (among is None or row.ref in among)
    ]


def all_models(session: Session) -> Sequence[SelfHostedModel]:
    """Every model, by ref."""
    return [tables.model_of(row) for row in tables.all_rows(session)]


def _row(session: Session, model_id: int) -> tables.SelfHostedModelRow:
    row = tables.model_row(session, model_id)
    if row is None:
        raise NotFoundError(what="Self-Hosted Model")
    return row


def _check(session: Session, description: Description, *, besides: int | None) -> None:
    rules.check_description(description, load_catalog())
    if description.ref and tables.has_ref(session, description.ref, besides=besides):
        raise RefTakenError


def _create(
    session: Session, description: Description, *, sealer: Sealer, actor: Actor, now: datetime
) -> tables.SelfHostedModelRow:
    new = rules.complete(description)
    _check(session, description, besides=None)
    row = tables.SelfHostedModelRow(
        ref=new.ref,
        ref_key=ref_key(new.ref),
        name=new.name,
        family=new.family,
        endpoint=new.endpoint,
        identifier=new.identifier,
        provider=new.provider,
        is_enabled=description.is_enabled is not False,
        allowed_networks=list(rules.allow_list(description.allowed_networks or ())),
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    _set_api_key(row, description.api_key or None, sealer)
    session.flush()
    _publish(session, row, "created", now=now)
    _record(session, row, "created", actor=actor, now=now)
    return row


def _change(
    session: Session,
    row: tables.SelfHostedModelRow,
    description: Description,
    *,
    sealer: Sealer,
    actor: Actor,
    now: datetime,
) -> Sequence[str]:
    _check(session, description, besides=row.id)
    told, previous_ref = _told(description), row.ref
    changed = [field for field, value in told.items() if value != getattr(row, field)]
    for field in changed:
        setattr(row, field, told[field])
    row.ref_key = ref_key(row.ref)
    if description.api_key is not None and (description.api_key or None) != _api_key(row, sealer):
        _set_api_key(row, description.api_key or None, sealer)
        changed.append("api_key")
    if changed:
        row.updated_at = now
        session.flush()
        was = previous_ref if "ref" in changed else None
        _publish(session, row, "changed", previous_ref=was, now=now)
        _record(session, row, "changed", actor=actor, changed=changed, now=now)
    return changed


def _told(description: Description) -> dict[str, object]:
    told = {field: getattr(description, field) for field in FIELDS}
    if description.allowed_networks is not None:
        told[ALLOWED_NETWORKS] = list(rules.allow_list(description.allowed_networks))
    return {field: value for field, value in told.items() if value is not None}


def _api_key(row: tables.SelfHostedModelRow, sealer: Sealer) -> str | None:
    if row.sealed_api_key is None:
        return None
    return sealer.unseal(row.sealed_api_key, _place(row)).decode("ascii")


def _set_api_key(row: tables.SelfHostedModelRow, api_key: str | None, sealer: Sealer) -> None:
    row.sealed_api_key = sealer.seal(api_key.encode("ascii"), _place(row)) if api_key else None


def _place(row: tables.SelfHostedModelRow) -> Place:
    assert row.id is not None  # noqa: S101  # flushed before
    return tables.place_of(row.id)


def _publish(
    session: Session,
    row: tables.SelfHostedModelRow,
    change: str,
    *,
    now: datetime,
    previous_ref: str | None = None,
) -> None:
    payload = {"id": row.id, "ref": row.ref, "change": change}
    payload |= {} if previous_ref is None else {"previous_ref": previous_ref}
    publish(session, TOPIC, payload, now=now)


def _record(
    session: Session,
    row: tables.SelfHostedModelRow,
    change: str,
    *,
    actor: Actor,
    now: datetime,
    changed: Sequence[str] = (*FIELDS, ALLOWED_NETWORKS),
) -> None:
    # Of an API key only that it changed.
    fields = [field for field in changed if field != "api_key"]
    details = {SHOWN.get(field, field): getattr(row, field) for field in fields}
    details |= {"api_key": "changed"} if "api_key" in changed else {}
    target = Target(kind="self_hosted_model", id=str(row.id))
    record(session, f"model_{change}", actor=actor, target=target, details=details, now=now)
