"""Reads and changes the instance's settings, and remembers which issuers its tokens named."""

from collections.abc import Mapping
from datetime import datetime

from appliance.audit.rules import Actor, Target
from appliance.audit.usecases import record
from appliance.instance_settings import rules, tables
from appliance.instance_settings.rules import Addresses, InstanceSettings, Limits, Name
from appliance.storage.engine import Session
from appliance.storage.outbox import publish

TOPIC = "instance_setting"


def addresses(session: Session, told: Addresses) -> Addresses:
    """Where the parts are reached now; `told` is what the environment says."""
    return settings_now(session, told).addresses


def settings_now(session: Session, told: Addresses) -> InstanceSettings:
    """All settings as they are now."""
    return rules.effective(told, tables.read(session).settings)


def limits_of(session: Session) -> Limits:
    """How often users may ask now."""
    return rules.limits(tables.read(session).settings)


def accepted_issuers(session: Session, told: Addresses, *, now: datetime) -> tuple[str, ...]:
    """Whom a good access token may name as its issuer: the present one first."""
    return _accepted(tables.read(session), told, now=now)


def _accepted(contents: tables.Contents, told: Addresses, *, now: datetime) -> tuple[str, ...]:
    present = rules.effective(told, contents.settings).addresses.instance_public_url
    former = list(contents.former_issuers)
    if contents.noted_issuer not in {None, present}:
        # The environment says something new, which nobody has noted yet.
        noted = rules.FormerIssuer(issuer=str(contents.noted_issuer), replaced_at=now)
        former.append(noted)
    return rules.accepted_issuers(present, former, now=now)


def change_settings(
    session: Session,
    changes: Mapping[Name, str | None],
    told: Addresses,
    *,
    actor: Actor,
    now: datetime,
) -> InstanceSettings:
    """Sets what has been checked, and takes back what is None; what does not change is no change.

    A former issuer stays accepted for as long as a token can live that names it.
    """
    before = {each.name: each.value for each in tables.read(session).settings}
    for name, value in changes.items():
        if before.get(name) == value:
            continue
        if value is None:
            tables.forget(session, [name])
        else:
            tables.store(session, name, value, now=now)
        publish(session, TOPIC, {"name": name}, now=now)
        details = {"before": before.get(name), "after": value}
        target = Target(kind="instance_setting", id=name)
        record(
            session,
            "instance_setting_changed",
            actor=actor,
            target=target,
            details=details,
            now=now,
        )
    note_issuer(session, told, now=now)
    return settings_now(session, told)


def note_issuer(session: Session, told: Addresses, *, now: datetime) -> None:
    """Remembers the present issuer, so that the next one does not end the tokens of this one."""
    contents = tables.read(session)
    present = rules.effective(told, contents.settings).addresses.instance_public_url
    noted = contents.noted_issuer
    if noted == present:
        return
    tables.store(session, tables.ISSUER, present, now=now)
    if noted is None:
        return
    ended = [
        each.issuer
        for each in contents.former_issuers
        if each.replaced_at + rules.FORMER_ISSUER_LASTS <= now or each.issuer == present
    ]
    tables.forget_former(session, ended)
    tables.store_former(session, noted, now=now)
    publish(session, TOPIC, {"name": "instance_public_url"}, now=now)


def needs_noting(session: Session, told: Addresses) -> bool:
    """Whether `note_issuer` would write anything."""
    contents = tables.read(session)
    present = rules.effective(told, contents.settings).addresses.instance_public_url
    return contents.noted_issuer != present
