"""What an AI admin and the set-up do with the registrations, and what the feed reads of them."""

import socket
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime

from appliance.audit.rules import SYSTEM, Actor, Target
from appliance.audit.usecases import record
from appliance.errors import NotFoundError
from appliance.self_hosted_models import rules, tables
from appliance.self_hosted_models.errors import ModelInUseError, RefTakenError
from appliance.self_hosted_models.rules import Description, SelfHostedModel, ServedModel
from appliance.self_hosted_models.usecases.naming import NO_NAMES, ModelNames
from appliance.storage.engine import Session
from appliance.storage.outbox import publish
from appliance.storage.paging import Page, Slice
from appliance.storage.sealing import Place, Sealer
from gateway.contract.catalog import load_catalog
from gateway.contract.selection import ref_key

TOPIC = "self_hosted_model"
# Of each, None says nothing and stays as it is.
PLAIN_FIELDS = ("ref", "name", "family", "identifier", "provider", "is_enabled")
FIELDS = (*PLAIN_FIELDS, "endpoint", "further_endpoints", "allowed_networks", "max_in_flight")
# What an entry of the audit calls them, as the interface does.
SHOWN = {"is_enabled": "enabled", "allowed_networks": "allowed_cidrs"}
# What decides whether the model can be selected, and for which features.
SELECTABLE_BY = {"is_enabled", "family"}


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


def create_model(  # who, when, and what it touches are several things
    session: Session,
    description: Description,
    *,
    sealer: Sealer,
    names: ModelNames = NO_NAMES,
    actor: Actor,
    now: datetime,
) -> SelfHostedModel:
    """Registers a model; its endpoints have been checked by `rules.checked_endpoint`.

    Raises:
        InvalidFieldsError: a field is missing or cannot be used.
        RefTakenError: another model has the ref.
    """
    _check(session, description, names=names, besides=None)
    row = _create(session, description, sealer=sealer, actor=actor, now=now)
    return tables.model_of(row)


def change_model(  # noqa: PLR0913  # who, when, and what it touches are several things
    session: Session,
    model_id: int,
    description: Description,
    *,
    sealer: Sealer,
    names: ModelNames = NO_NAMES,
    actor: Actor,
    now: datetime,
) -> SelfHostedModel:
    """Changes what `description` names; new endpoints have been checked before.

    What names the model follows it to a new ref.

    Raises:
        NotFoundError: no such model.
        InvalidFieldsError: a field cannot be used; or an endpoint is on a server that the stored
            API key was not given for.
        RefTakenError: another model has the ref.
    """
    row = _row(session, model_id)
    _check(session, description, names=names, besides=row.id)
    _change(session, row, description, sealer=sealer, names=names, actor=actor, now=now)
    return tables.model_of(row)


def delete_model(
    session: Session,
    model_id: int,
    *,
    reroute: bool = False,
    names: ModelNames = NO_NAMES,
    actor: Actor,
    now: datetime,
) -> None:
    """Removes a model; with `reroute`, what named it falls back to the default.

    Raises:
        NotFoundError: no such model.
        ModelInUseError: something names it.
    """
    row = _row(session, model_id)
    uses = names.uses_of(session, row.ref)
    is_used = bool(uses.features or uses.groups)
    if is_used and not reroute:
        raise ModelInUseError(row.ref, features=uses.features, groups=uses.groups)
    with names.watch(session, cause="model_deleted", actor=actor, now=now):
        if is_used:
            names.release(session, row.ref, actor=actor, now=now)
        session.delete(row)
        session.flush()
    _publish(session, row, "deleted", now=now)
    _record(session, row, "deleted", actor=actor, changed=FIELDS, now=now)


def ensure_local_model(
    session: Session,
    description: Description,
    *,
    sealer: Sealer,
    names: ModelNames = NO_NAMES,
    now: datetime,
) -> LocalModelResult:
    """Registers the model of this box, or takes over what changed of it.

    Raises:
        InvalidFieldsError: a field is missing or cannot be used.
        RefTakenError: a model that somebody else registered has the ref.
    """
    row = tables.local_row(session)
    _check(session, description, names=names, besides=None if row is None else row.id)
    if row is None:
        row = _create(session, description, sealer=sealer, actor=SYSTEM, now=now)
        row.is_local = True
        session.flush()
        return LocalModelResult(is_new=True, changed=())
    changed = _change(session, row, description, sealer=sealer, names=names, actor=SYSTEM, now=now)
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


def _check(
    session: Session, description: Description, *, names: ModelNames, besides: int | None
) -> None:
    rules.check_description(description, load_catalog())
    ref = description.ref
    if ref and (tables.has_ref(session, ref, besides=besides) or names.has_ref(session, ref)):
        raise RefTakenError


def _create(
    session: Session, description: Description, *, sealer: Sealer, actor: Actor, now: datetime
) -> tables.SelfHostedModelRow:
    new = rules.complete(description)
    row = tables.SelfHostedModelRow(
        ref=new.ref,
        ref_key=ref_key(new.ref),
        name=new.name,
        family=new.family,
        endpoint=new.endpoints[0],
        further_endpoints=list(new.endpoints[1:]),
        identifier=new.identifier,
        provider=new.provider,
        is_enabled=description.is_enabled is not False,
        allowed_networks=list(rules.allow_list(description.allowed_networks or ())),
        max_in_flight=description.max_in_flight or None,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    _set_api_key(row, description.api_key or None, sealer)
    session.flush()
    _publish(session, row, "created", now=now)
    _record(session, row, "created", actor=actor, changed=FIELDS, now=now)
    return row


def _change(  # noqa: PLR0913  # who, when, and what it touches are several things
    session: Session,
    row: tables.SelfHostedModelRow,
    description: Description,
    *,
    sealer: Sealer,
    names: ModelNames,
    actor: Actor,
    now: datetime,
) -> Sequence[str]:
    if row.sealed_api_key is not None and description.api_key is None:
        endpoints = rules.told_endpoints(description)
        rules.check_key_stays(endpoints, stored=tables.model_of(row).endpoints)
    told, previous_ref = _told(row, description), row.ref
    changed = [field for field in FIELDS if field in told and told[field] != getattr(row, field)]
    if "ref" in changed:
        # First of all, so that what is watched below knows it by its new name.
        row.ref, row.ref_key = str(told["ref"]), ref_key(str(told["ref"]))
        session.flush()
        names.rename(session, previous_ref, row.ref, now=now)
    is_watched = not SELECTABLE_BY.isdisjoint(changed)
    watch = names.watch(session, cause=_cause(changed, told), actor=actor, now=now)
    with watch if is_watched else nullcontext():
        for field in changed:
            setattr(row, field, told[field])
        session.flush()
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


def _cause(changed: Collection[str], told: Mapping[str, object]) -> str:
    if "is_enabled" not in changed:
        return "model_changed"
    return "model_enabled" if told["is_enabled"] else "model_disabled"


def _told(row: tables.SelfHostedModelRow, description: Description) -> dict[str, object]:
    plain = {field: getattr(description, field) for field in PLAIN_FIELDS}
    told: dict[str, object] = {field: value for field, value in plain.items() if value is not None}
    if description.endpoint is not None:
        others = [each for each in row.further_endpoints if each != description.endpoint]
        told |= {"endpoint": description.endpoint, "further_endpoints": others}
    elif description.endpoints is not None:
        main, *others = rules.told_endpoints(description)
        told |= {"endpoint": main, "further_endpoints": others}
    if description.allowed_networks is not None:
        told["allowed_networks"] = list(rules.allow_list(description.allowed_networks))
    if description.max_in_flight is not None:
        told["max_in_flight"] = description.max_in_flight or None
    return told


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
    changed: Sequence[str],
    actor: Actor,
    now: datetime,
) -> None:
    # Of an API key only that it changed.
    fields = [field for field in changed if field != "api_key"]
    details = {SHOWN.get(field, field): getattr(row, field) for field in fields}
    details |= {"api_key": "changed"} if "api_key" in changed else {}
    target = Target(kind="self_hosted_model", id=str(row.id))
    record(session, f"model_{change}", actor=actor, target=target, details=details, now=now)
