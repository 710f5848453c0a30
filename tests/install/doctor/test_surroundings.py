import json
from datetime import timedelta
from pathlib import Path

import pytest

from install.backup import schedule
from install.backup.schedule import Schedule
from install.backup.sealed import Head
from install.doctor.box import Box
from install.egress.ledgers import LEDGERS, Found
from tests.fakes import parts
from tests.install.doctor.conftest import MODEL, Look, a_backup, settle


def scheduled(box: Box, folder: Path, *, failed: str | None = None) -> None:
    told = Schedule(every_s=86400, keep=2, to=str(folder), passphrase_file="/p", failed=failed)
    schedule.write(box.places, told)


def test_no_backup_is_a_warning(box: Box, look: Look) -> None:
    (box.places.backups / "one.backup").rename(box.places.backups / "one.part")
    found = look("backups")
    assert (found.state, "casemate backup" in str(found.fix)) == ("warning", True)


@pytest.mark.parametrize("made_at", ["yesterday", "2999-01-01T00:00:00", "", None])
def test_a_backup_of_no_known_time_is_left_out(box: Box, look: Look, made_at: object) -> None:
    head = Head(cost=2, salt=b"s", prefix=b"p" * 7, check=b"c", facts={"made_at": made_at})
    (box.places.backups / "other.backup").write_bytes(head.to_bytes())
    found = look("backups")
    assert (found.state, found.facts["count"], found.facts["newest"]) == ("ok", 1, "one.backup")


def test_an_old_backup_is_a_warning(box: Box, look: Look) -> None:
    a_backup(box.places.backups, days=9)
    found = look("backups")
    assert found.state == "warning"
    assert "9 days old" in found.found


def test_a_schedule_that_is_behind_is_a_warning(box: Box, look: Look, tmp_path: Path) -> None:
    scheduled(box, tmp_path)
    a_backup(tmp_path, days=3)
    assert look("backups").state == "warning"
    a_backup(tmp_path, days=1)
    assert look("backups").state == "ok"


def test_a_backup_that_failed_is_a_warning_with_its_reason(box: Box, look: Look) -> None:
    scheduled(box, box.places.backups, failed="The disk is full.")
    found = look("backups")
    assert found.state == "warning"
    assert "The disk is full" in found.found


@pytest.mark.planted_egress("198.51.100.7")
@pytest.mark.parametrize(("days", "state"), [(1, "warning"), (8, "ok")])
def test_a_refused_way_out_is_told_for_a_week(box: Box, look: Look, days: int, state: str) -> None:
    box.places.egress.mkdir(exist_ok=True)
    line = {
        "time": (box.now() - timedelta(days=days)).isoformat(),
        "service": "gateway",
        "pid": 7,
        "what": "connect",
        "host": "198.51.100.7",
        "port": 443,
        "outcome": "refused",
        "by": [],
    }
    (box.places.egress / "gateway.jsonl").write_text(json.dumps(line) + "\n")
    found = look("egress")
    assert found.state == state
    assert state == "ok" or found.fix == "casemate egress --since 7d"


def test_a_ledger_that_nobody_can_read_is_skipped(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Found(attempts=(), unread=tuple(LEDGERS))
    monkeypatch.setattr("install.egress.looking.look", lambda *_: nothing)
    assert look("egress").state == "skipped"


@pytest.mark.parametrize(("proxies", "state"), [("", "warning"), ("10.0.0.1/32", "ok")])
def test_callers_behind_a_proxy_share_its_address(
    box: Box, look: Look, proxies: str, state: str
) -> None:
    parts.InstanceSurface.models = ({**MODEL, "allowed_cidrs": ["10.0.0.0/8"]},)
    told = {"CASEMATE_GATEWAY_PUBLIC_URL": "https://ai.example"}
    settle(box, handed_on={**told, "CASEMATE_TRUSTED_PROXIES": proxies})
    found = look("callers")
    assert found.state == state
    assert state == "ok" or "starter" in found.found
