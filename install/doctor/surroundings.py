"""The hops beside the way: backups, attempts to get out, and whose addresses are seen."""

import contextlib
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from install import services
from install.backup import making, schedule
from install.config import LOOPBACK
from install.doctor.box import Box
from install.doctor.findings import Finding, ok, skipped, warning
from install.egress import looking
from install.errors import InstallError

OLD = timedelta(days=8)
REMEMBERED = timedelta(days=7)
MAKE_ONE = "casemate backup, or `casemate backup schedule --every 24h`"


def look_at_backups(box: Box) -> Finding:
    """Whether there is a backup, how old the newest is, and whether the last one was made."""
    told = schedule.read(box.places)
    folder = Path(told.to) if told else box.places.backups
    # Anything may stand in a head, which nobody sealed.
    found = [
        (made_at, each.path.name)
        for each in making.listed(folder)
        if (made_at := _moment(each.made_at)) is not None
    ]
    facts: dict[str, Any] = {"folder": str(folder), "count": len(found), "scheduled": bool(told)}
    if told is not None and told.failed:
        return warning(
            f"The last backup failed: {told.failed}",
            "casemate backup schedule show"
            + ("" if box.settings.containers else "; casemate logs renewal"),
            **facts,
        )
    if not found:
        return warning(f"There is no backup in {folder}.", MAKE_ONE, **facts)
    made_at, name = max(found)
    age = box.now() - made_at
    facts |= {"age_s": int(age.total_seconds()), "newest": name}
    most = 2 * timedelta(seconds=told.every_s) if told else OLD
    if age > most:
        return warning(f"The newest backup is {_aged(age)} old.", MAKE_ONE, **facts)
    return ok(f"{len(found)}; the newest is {_aged(age)} old", **facts)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _aged(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    return f"{age.days} days" if age.days else f"{max(hours, 0)} hours"


def look_at_egress(box: Box) -> Finding:
    """Whether anything tried to open a connection that it may not, in the last days."""
    found = looking.look(box.places, box.settings).since(box.now() - REMEMBERED)
    kernel = looking.kernel_drops(box.places, box.settings)
    facts = {"refused": found.counts, "unread": list(found.unread), "kernel": kernel}
    if found.refused is None:
        return skipped("no ledger of attempts can be read while the services are down")
    if found.refused:
        said = ", ".join(f"{name} {count}" for name, count in found.counts.items() if count)
        return warning(
            f"{found.refused} attempts to get out were refused in the last "
            f"{REMEMBERED.days} days: {said}.",
            f"casemate egress --since {REMEMBERED.days}d",
            **facts,
        )
    return ok(f"nothing tried to get out in the last {REMEMBERED.days} days", **facts)


def figures(box: Box) -> str:
    """What instance and gateway count, as far as they show it here."""
    text = ""
    with contextlib.suppress(InstallError):
        text += box.asked.text("/-/metrics")
    port = box.settings.ports.get("gateway metrics")
    if port is not None:
        answer = box.probe(f"http://{LOOPBACK}:{port}/metrics")
        text += "" if isinstance(answer, str) else answer.text
    return text


def look_at_callers(box: Box) -> Finding:
    """Whether the gateway can tell who calls: behind a proxy all share its address."""
    settings = box.settings
    proxies = settings.handed_on.get("CASEMATE_TRUSTED_PROXIES", "")
    told = settings.handed_on.get("CASEMATE_GATEWAY_PUBLIC_URL") or services.public_url(
        settings, services.GATEWAY
    )
    facts = {"listen": settings.listen, "gateway_public_url": told, "trusted_proxies": proxies}
    if proxies:
        return ok("addresses are taken from the trusted proxies", **facts)
    if settings.is_public or _is_loopback(urlsplit(told).hostname or ""):
        return ok("each caller is seen with its own address", **facts)
    lists = [each["ref"] for each in box.asked.models() if each.get("allowed_cidrs")]
    return warning(
        f"Others are told {told}, and the gateway listens on this machine alone: all callers come "
        f"through a proxy and share one address{_which(lists)}.",
        "CASEMATE_TRUSTED_PROXIES=ADDRESS OF THE PROXY " + box.start,
        models_with_lists=lists,
        **facts,
    )


def _which(refs: list[str]) -> str:
    return f", so that the allow-lists of {', '.join(refs)} let in all or none" if refs else ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
