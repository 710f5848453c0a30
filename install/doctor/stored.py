"""The hops on what is stored: the database, the master key, and time as it was seen there."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from install.doctor.box import Box
from install.doctor.findings import Finding, failed, ok, warning
from install.doctor.running import FIXES, checks_in
from install.services import GATEWAY, INSTANCE
from install.status import READINESS

# As the gateway tolerates of tokens.
SKEW_S = 10
AHEAD_S = 60


def look_at_database(box: Box) -> Finding:
    """Whether the database opens, is whole, and of a release that this one understands."""
    known = box.local(["database", "generation"])
    ours, theirs = known.get("generation"), known.get("database")
    facts = {"generation": ours, "database_generation": theirs}
    if isinstance(ours, int) and isinstance(theirs, int) and theirs > ours + 1:
        return failed(
            f"The database is of generation {theirs}; this release understands {ours + 1} at most.",
            "apply the newer bundle again, or restore a backup of this release",
            **facts,
        )
    found = box.local(["database", "check"])
    facts["check"] = found
    if not found.get("ok"):
        return failed(
            f"The database is damaged: {'; '.join(found.get('problems') or ('unknown',))}",
            "casemate restore FILE",
            **facts,
        )
    return ok(f"whole, of generation {theirs}", **facts)


def look_at_master_key(box: Box) -> Finding:
    """Whether the master key opens what is sealed with it."""
    said = "it opens what is sealed"
    answer = box.probe(f"{box.settings.instance_url}{READINESS[INSTANCE]}")
    checks = {} if isinstance(answer, str) else checks_in(answer)
    if "master_key" not in checks:
        # The instance does not say, so the key is tried where it lies.
        box.local(["keys", "check"])
        return ok(said)
    if checks["master_key"] != "ok":
        return failed(
            f"The master key does not open what is sealed ({checks['master_key']}).",
            FIXES["master_key"],
            code=checks["master_key"],
        )
    return ok(said)


def look_at_clock(box: Box) -> Finding:
    """Whether this machine's clock never went back, and all services share it."""
    shown = box.local(["clock", "show"])
    facts = {"now": shown.get("now"), "latest": shown.get("latest")}
    if shown.get("problem"):
        return failed(
            str(shown["problem"]),
            "set the clock right (`timedatectl`), then `casemate clock accept`",
            **facts,
        )
    off = {name: skew for name, skew in _skews(box) if abs(skew) > SKEW_S}
    if off:
        said = ", ".join(f"the {name}'s by {skew:+.0f} s" for name, skew in off.items())
        return failed(
            f"Clocks differ: {said}.", "set both by one time source (`timedatectl`)", **facts
        )
    newest = max((path.stat().st_mtime for path in _receipts(box)), default=0.0)
    ahead_s = newest - box.now().timestamp()
    if ahead_s > AHEAD_S:
        return warning(
            f"The newest receipt was written {ahead_s:.0f} s after the time that the clock shows.",
            "compare the clock with another machine's (`timedatectl`)",
            **facts,
        )
    return ok(f"never went back; {shown.get('now', '')[:19].replace('T', ' ')} UTC", **facts)


def _receipts(box: Box) -> list[Path]:
    return [path for path in box.places.receipts.glob("*") if path.is_file()]


def _skews(box: Box) -> Iterator[tuple[str, float]]:
    settings = box.settings
    urls = {
        INSTANCE: f"{settings.instance_url}{READINESS[INSTANCE]}",
        GATEWAY: f"{settings.gateway_url}{READINESS[GATEWAY]}",
    }
    if not settings.containers:
        urls["model server"] = f"{settings.model_url}/models"
    for name, url in urls.items():
        answer = box.probe(url)
        text = "" if isinstance(answer, str) else answer.headers.get("date", "")
        try:
            told = parsedate_to_datetime(text)
        except ValueError:
            continue
        if told.tzinfo is None:
            told = told.replace(tzinfo=UTC)
        yield name, _skew_s(told, box.asked_at[url])


def _skew_s(told: datetime, asked_at: datetime) -> float:
    return (told - asked_at).total_seconds()
