"""An appliance of stand-ins in which every hop is well, and ways to break one of them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from install.backup.sealed import Head
from install.config import Config
from install.doctor.box import Box
from install.doctor.findings import Finding
from install.doctor.hops import HOPS
from install.doctor.walking import only, walk
from install.places import Places
from install.status import ServiceState, Status
from tests.fakes import parts

KID = "kid-1"
GATEWAY = {
    "name": "local",
    "version": "1",
    "connection": "connected",
    "changes_behind": 0,
    "seconds_behind": 0.0,
    "clock_skew_ms": 5,
    "clock_is_off": False,
    "clock_note": None,
    "kids": [KID],
}
LICENCE = {
    "id": 1,
    "is_demo": False,
    "counts": True,
    "expires_at": "2999-01-01",
    "expired": False,
    "warnings": [],
}
READY = {"database": "ok", "master_key": "ok", "signing_key": "ok"}
METRICS = 'casemate_instance_egress_refused_total{reason="name"} 0.0\n'
ANSWERS: dict[str, Any] = {
    "/-/readiness": [200, {"status": "ok", "checks": READY}],
    "/api/v4/user": [200, {"id": 1}],
    "/api/v4/ai/signing_keys": [
        200,
        [{"kid": KID, "state": "current", "age_s": 86400, "waits_for": None}],
    ],
    "/api/v4/ai/gateways": [200, [GATEWAY]],
    "/api/v4/licenses": [200, [LICENCE]],
    "/oauth/discovery/keys": [200, {"keys": [{"kid": KID}]}],
    "/-/metrics": [200, METRICS],
}
SAYS: dict[str, Any] = {
    "database generation": {"generation": 1, "database": 1},
    "database check": {"ok": True, "problems": []},
    "clock show": {"now": "2026-11-22T00:00:00+00:00", "latest": "", "problem": None},
    "keys check": {"master_key": "ok"},
}
MODEL = {"id": 1, "ref": "starter", "endpoint": "http://127.0.0.1:1/v1", "enabled": True}

Look = Callable[..., Finding]


def a_status(home: str, state: str = "ready", *, note: str | None = None) -> Status:
    services = tuple(
        ServiceState(name=name, state=state, pid=1, since=1, address="")
        for name in ("instance", "gateway", "model-server")
    )
    whole: Any = state if state in {"ready", "stopped"} else "degraded"
    return Status(home=home, state=whole, note=note, services=services, models=())


@pytest.fixture
def box(parts_running: Places, installed: Places) -> Iterator[Box]:
    """All is well there; nothing waits."""
    assert installed is parts_running
    parts.InstanceSurface.models = (MODEL,)
    for folder in ("keys", "credentials"):
        (installed.home / folder).chmod(0o700)
    installed.backups.mkdir()
    a_backup(installed.backups)
    found = Box(
        places=installed,
        now=lambda: datetime.now(UTC),
        pause=lambda _: None,
        is_ours=lambda *_: True,
    )
    found.status = a_status(str(installed.home))
    yield found
    found.close()


@pytest.fixture
def look(box: Box, wish: Callable[..., None]) -> Look:
    """What one hop comes to, with answers and sayings in the place of good ones."""

    def run(name: str, **changes: Any) -> Finding:
        answers = {**ANSWERS, **changes.pop("answers", {})}
        says = {**SAYS, **changes.pop("says", {})}
        wish(answers=answers, says=says, **changes)
        return {each.hop: each for each in walk(only(HOPS, [name]), box)}[name]

    return run


def a_backup(folder: Path, *, days: int = 0) -> Path:
    """As much of a backup as can be read without its passphrase."""
    made_at = datetime.now(UTC) - timedelta(days=days)
    facts = {"made_at": made_at.isoformat(), "release": "1"}
    head = Head(cost=2, salt=b"s", prefix=b"p" * 7, check=b"c", facts=facts)
    path = folder / "one.backup"
    path.write_bytes(head.to_bytes())
    return path


def settle(box: Box, **changes: Any) -> None:
    """Other settings than those that lie in the home."""
    known = {each: getattr(box.settings, each) for each in Config.__dataclass_fields__}
    box.settings = Config(**{**known, **changes})
