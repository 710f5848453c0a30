from pathlib import Path

import pytest

from install.units.systemctl import Systemd, SystemdError, parse
from tests.install.units.conftest import Told

SHOWN = """Id=casemate-gateway.service
LoadState=loaded
ActiveState=active
SubState=running
MainPID=12
ActiveEnterTimestampMonotonic=5000000

Id=casemate-instance.service
LoadState=loaded
ActiveState=activating
SubState=auto-restart
MainPID=0
ActiveEnterTimestampMonotonic=0

Id=casemate-renewal.service
LoadState=not-found
ActiveState=inactive
"""


def test_units_are_read_as_systemd_shows_them() -> None:
    found = parse(SHOWN, booted=1000.0)
    assert list(found) == ["casemate-gateway.service", "casemate-instance.service"]
    gateway, instance = found.values()
    assert (gateway.pid, gateway.since, gateway.is_up) == (12, 1005, True)
    assert (instance.sub, instance.since, instance.is_up) == ("auto-restart", 0, True)


def test_a_refusal_is_a_sentence_with_systemds_words(told: Told) -> None:
    (told.folder / "broken").touch()
    with pytest.raises(SystemdError, match="`systemctl daemon-reload` failed: no bus") as caught:
        Systemd(program=told.program).do("daemon-reload")
    assert caught.value.code == "systemd_failed"


def test_a_machine_without_systemd_is_a_sentence_too(tmp_path: Path) -> None:
    with pytest.raises(SystemdError, match="FileNotFoundError"):
        Systemd(program=str(tmp_path / "none")).version()


def test_the_version_is_its_first_number(told: Told) -> None:
    assert Systemd(program=told.program).version() == 252
