"""Fills a new instance from a file of answers, and takes over what changed in a known one."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.access_tokens.usecases import ensure_signing_key
from appliance.accounts import usecases as accounts
from appliance.accounts.rules import Profile, Scope
from appliance.audit.rules import SYSTEM
from appliance.errors import ApplianceError, NotFoundError
from appliance.gateway_feed import usecases as gateway_feed
from appliance.model_selection.usecases import ModelNaming, assign_everywhere
from appliance.opening import open_database
from appliance.self_hosted_models import rules as model_rules
from appliance.self_hosted_models import usecases as models
from appliance.settings import Settings
from appliance.storage.engine import Db, Session
from appliance.storage.identity import ensure_identity, read_identity
from appliance.storage.sealing import (
    Sealer,
    create_master_key,
    ensure_master_key_check,
    is_sealed,
)
from gateway.contract.catalog import load_catalog
from gateway.contract.introspection import is_well_formed_pat

FIRST_PAT_NAME = "made at installation"


class AnswersError(ApplianceError):
    """The file of answers, or a file it names, cannot be used."""

    code = "answers_invalid"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class AdminAnswers(_Part):
    """The first admin; both files are made, mode 0600, unless they are there."""

    username: str
    name: str
    email: str
    password_file: Path
    token_file: Path


class GatewayAnswers(_Part):
    """The gateway of this machine, with the public halves of its keys."""

    name: str
    signing_key: str
    sealing_key: str


class ModelAnswers(_Part):
    """The model that this machine serves."""

    ref: str
    name: str
    family: str
    identifier: str
    endpoint: str
    api_key_file: Path


class Answers(_Part):
    """Everything that `init` is told."""

    admin: AdminAnswers
    gateway: GatewayAnswers
    model: ModelAnswers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a gateway must be given, and what was done."""

    instance_id: str
    feed_key: str
    issuer: str
    created: Sequence[str]
    changed: Sequence[str]
    warnings: Sequence[str]

    def summary(self) -> dict[str, Any]:
        """What the command prints."""
        return {
            "instance_id": self.instance_id,
            "feed_key": self.feed_key,
            "issuer": self.issuer,
            "created": list(self.created),
            "changed": list(self.changed),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secrets:
    password_hash: str
    pat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Everything that takes time or files, done before the one transaction begins."""

    answers: Answers
    model: model_rules.Description | None
    secrets: _Secrets | None
    sealer: Sealer
    issuer: str
    now: datetime


def read_answers(path: Path) -> Answers:
    """Reads the file.

    Raises:
        AnswersError: it cannot be read, or is not of that form.
    """
    text = _read(path)
    try:
        return Answers.model_validate_json(text)
    except ValidationError as cause:
        problems = cause.errors(include_input=False, include_url=False)
        said = [f"{'.'.join(map(str, each['loc'])) or 'JSON'}: {each['msg']}" for each in problems]
        raise AnswersError(path, "; ".join(said)) from None


def fill(settings: Settings, answers: Answers, *, now: datetime) -> Filled:
    """Makes what is missing; an existing admin, key or identity is never changed.

    Raises:
        ApplianceError: something is missing or cannot be used; then nothing is changed.
    """
    db = open_database(settings)
    try:
        made_key = False
        if not db.read_blocking(is_sealed):
            made_key = create_master_key(settings.master_key_path)
        is_known = _is_known(db, answers.admin.username)
        plan = _Plan(
            answers=answers,
            model=_model_description(settings, answers.model),
            secrets=None if is_known else _first_secrets(answers.admin),
            sealer=Sealer.from_file(settings.master_key_path, is_mounted=settings.secrets_mounted),
            issuer=settings.issuer,
            now=now,
        )
        warnings = _missing_files(answers.admin) if is_known else []
        made = ["master_key"] if made_key else []
        return db.write_blocking(
            lambda session: _fill(session, plan, already=made, warnings=warnings)
        )
    finally:
        db.close()


def _fill(
    session: Session, plan: _Plan, *, already: Sequence[str], warnings: Sequence[str]
) -> Filled:
    now, sealer = plan.now, plan.sealer
    ensure_master_key_check(session, sealer)
    steps = {
        "instance": ensure_identity(session, fresh_id=uuid4(), now=now),
        "signing_key": ensure_signing_key(session, sealer, now=now),
        "feed_key": gateway_feed.ensure_feed_key(session, sealer, now=now),
        "admin": _ensure_admin(session, plan),
    }
    created = [*already, *(name for name, is_new in steps.items() if is_new)]
    changed: list[str] = []
    registration = gateway_feed.Registration(**plan.answers.gateway.model_dump())
    match gateway_feed.ensure_gateway(session, registration, now=now):
        case "created":
            created.append("gateway")
        case "changed":
            changed.append("gateway.keys")
        case "known":
            pass
    if plan.model is not None:
        result = _ensure_model(session, plan.model, sealer=sealer, now=now)
        created += ["model"] if result.is_new else []
        changed += [f"model.{field}" for field in result.changed]
    return Filled(
        instance_id=read_identity(session).instance_id,
        feed_key=gateway_feed.feed_public_key(session),
        issuer=plan.issuer,
        created=created,
        changed=changed,
        warnings=warnings,
    )


def _ensure_model(
    session: Session, described: model_rules.Description, *, sealer: Sealer, now: datetime
) -> models.LocalModelResult:
    catalog = load_catalog()
    result = models.ensure_local_model(
        session, described, sealer=sealer, names=ModelNaming(catalog), now=now
    )
    # Only once: what an admin makes of it afterwards is left alone.
    if result.is_new and described.ref is not None:
        assign_everywhere(session, described.ref, catalog=catalog, actor=SYSTEM, now=now)
    return result


def _is_known(db: Db, username: str) -> bool:
    try:
        db.read_blocking(lambda session: accounts.get_user_named(session, username))
    except NotFoundError:
        return False
    return True


def _ensure_admin(session: Session, plan: _Plan) -> bool:
    if plan.secrets is None:
        return False
    admin = plan.answers.admin
    profile = Profile(username=admin.username, name=admin.name, email=admin.email, is_admin=True)
    user = accounts.create_user(
        session, profile, password_hash=plan.secrets.password_hash, actor=SYSTEM, now=plan.now
    )
    wish = accounts.PatRequest(
        name=FIRST_PAT_NAME, scopes=frozenset({Scope.API}), secret=plan.secrets.pat
    )
    accounts.create_pat(session, user.id, wish, actor=SYSTEM, now=plan.now)
    return True


def _first_secrets(admin: AdminAnswers) -> _Secrets:
    # The files come before the rows: after a crash in between, the next run takes what they hold.
    password = _kept_secret(admin.password_file, accounts.generate_password)
    pat = _kept_secret(admin.token_file, accounts.generate_pat)
    if not is_well_formed_pat(pat):
        raise AnswersError(admin.token_file, "holds no personal access token; remove it")
    return _Secrets(password_hash=accounts.hash_password(password), pat=pat)


def _kept_secret(path: Path, generate: Any) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path).strip()
    secret: str = generate()
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    return secret


def _missing_files(admin: AdminAnswers) -> list[str]:
    return [
        f"The admin exists, but {path} is gone; 'python -m appliance users {action} "
        f"{admin.username}' gives a new one."
        for path, action in ((admin.password_file, "reset-password"), (admin.token_file, "token"))
        if not path.exists()
    ]


def _model_description(
    settings: Settings, answers: ModelAnswers | None
) -> model_rules.Description | None:
    if answers is None:
        return None
    endpoint = model_rules.checked_endpoint(
        answers.endpoint, networks=settings.networks, resolve=models.resolve
    )
    return model_rules.Description(
        ref=answers.ref,
        name=answers.name,
        family=answers.family,
        identifier=answers.identifier,
        endpoint=endpoint,
        api_key=_read(answers.api_key_file).strip(),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise AnswersError(path, "cannot be read") from cause
