import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from install.config import Config
from install.containers import operating
from install.containers.errors import EngineMissingError
from install.egress.looking import MOST_BYTES, kernel_drops, look
from install.places import Places
from tests.install.egress.conftest import TO, Keep

# Its files are read at the end of the run, as those of any home.
pytestmark = pytest.mark.planted_egress(TO)

DROPS = {"held": True, "problem": None, "dropped": {"forward": 3, "input": 0}}


class AProject:
    """A project with one container, which holds one file."""

    def __init__(self, said: str) -> None:
        self.said = said
        self.asked: list[str] = []

    def services(self) -> dict[str, str]:
        return {"gateway": "a container"}

    def read_file(self, _container: str, path: str) -> bytes | None:
        self.asked.append(path)
        return None

    def execute(
        self, service: str, words: list[str], _stdin: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([service, *words], 0, self.said, "")


@pytest.fixture
def containers(config: Config) -> Config:
    return replace(config, containers=True)


def brought(monkeypatch: pytest.MonkeyPatch, said: str) -> AProject:
    project = AProject(said)
    monkeypatch.setattr(operating, "open_project", lambda *_: (project, project))
    return project


def test_what_lies_in_the_home_is_read_while_nothing_runs(
    home: Path, places: Places, config: Config, keep: Keep
) -> None:
    keep("gateway")
    assert home.exists()
    assert look(places, config).counts["gateway"] == 1


def test_a_ledger_that_may_not_be_read_is_told(home: Path, places: Places, config: Config) -> None:
    (home / "egress" / "vllm.jsonl").mkdir(parents=True)
    assert look(places, config).unread == ("vllm",)


def test_containers_that_are_there_are_looked_into(
    places: Places, containers: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = brought(monkeypatch, "")
    found = look(places, containers)
    assert (found.counts, found.unread) == ({"gateway": 0}, ("instance", "model-server", "vllm"))
    assert "/var/lib/casemate/egress/gateway.jsonl" in project.asked


def test_without_an_engine_nothing_is_known(
    places: Places, containers: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        sentence = "There is no engine."
        raise EngineMissingError(sentence)

    monkeypatch.setattr(operating, "open_project", away)
    assert look(places, containers).refused is None
    assert kernel_drops(places, containers) is None


def test_the_lock_says_what_it_dropped(
    places: Places, containers: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought(monkeypatch, json.dumps(DROPS) + "\n")
    assert kernel_drops(places, containers) == DROPS
    brought(monkeypatch, "")
    assert kernel_drops(places, containers) is None


def test_processes_have_no_count_of_the_kernels(places: Places, config: Config) -> None:
    assert kernel_drops(places, config) is None


def test_a_link_or_a_pipe_is_no_ledger(home: Path, places: Places, config: Config) -> None:
    (home / "egress").mkdir(exist_ok=True)
    (home / "egress" / "vllm.jsonl").symlink_to(home / "config.json")
    os.mkfifo(home / "egress" / "gateway.jsonl")
    assert look(places, config).unread == ("gateway", "vllm")


def test_of_a_ledger_without_end_the_latest_is_read(
    places: Places, config: Config, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    places.egress.mkdir(exist_ok=True)
    (places.egress / "gateway.jsonl").write_bytes(b"x\n" * MOST_BYTES)
    keep("gateway")
    read: list[int] = []

    def pread(handle: int, size: int, place: int) -> bytes:
        found = os_pread(handle, size, place)
        read.append(len(found))
        return found

    os_pread = os.pread
    monkeypatch.setattr("install.egress.looking.os.pread", pread)
    assert look(places, config).counts["gateway"] == 1
    assert read == [MOST_BYTES]
