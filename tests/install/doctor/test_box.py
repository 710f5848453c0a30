import os
import subprocess
import sys
from datetime import UTC

import pytest

from install.doctor.box import Box, is_ours, utc_now
from install.errors import InstallError, NotInstalledError
from install.places import Places
from install.processes import RUN_MARK


def test_the_clock_knows_its_zone() -> None:
    assert utc_now().tzinfo is UTC


def test_a_home_without_settings_is_not_installed(places: Places) -> None:
    with pytest.raises(NotInstalledError):
        _ = Box(places=places).settings


def test_an_answer_is_asked_for_once(box: Box) -> None:
    url = f"{box.settings.gateway_url}/monitoring/ready"
    assert box.probe(url) is box.probe(url)


def test_a_command_that_says_no_json_is_told(box: Box) -> None:
    with pytest.raises(InstallError, match="nothing that can be read"):
        box.local(["users", "list"])


def test_what_is_looked_at_is_the_status_of_this_home(box: Box) -> None:
    del box.status
    assert box.status.state == "stopped"
    assert box.is_stopped("gateway")


def test_what_a_service_has_started_is_ours_without_its_mark(places: Places) -> None:
    child = "import subprocess as s; p = s.Popen(['sleep', '60'], env={}); print(p.pid, flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{child}; p.wait()"],
        env={**os.environ, RUN_MARK: str(places.home)},
        stdout=subprocess.PIPE,
        text=True,
    ) as service:
        assert service.stdout is not None
        started = int(service.stdout.readline())
        assert is_ours(started, places.home)
        assert not is_ours(started, places.home / "other")
        os.kill(started, 15)
    assert not is_ours(os.getpid(), places.home)
