"""The lock in a real kernel, between networks of its own."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.install.lockdown.builders import (
    CONTAINER,
    HOST,
    HOST_OUTSIDE,
    OUTSIDE,
    SPEAKER,
    Networks,
    opened_networks,
)

pytestmark = [
    pytest.mark.system,
    # What plays a container tries to get out, within networks of these tests' own.
    pytest.mark.planted_egress(HOST, HOST_OUTSIDE, OUTSIDE, CONTAINER),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a network namespace"),
]


@pytest.fixture
def networks() -> Iterator[Networks]:
    with opened_networks() as opened:
        yield opened


@contextlib.contextmanager
def kept(networks: Networks, tmp_path: Path) -> Iterator[None]:
    """Keeps the lock; it stays after the end."""
    words = ["-m", "install.lockdown", "keep", "locked", "--signs", str(tmp_path)]
    with networks.host.start(sys.executable, *words) as keeper:
        assert keeper.stdout is not None
        assert json.loads(keeper.stdout.readline())["event"] == "lock_put"
        yield
        keeper.send_signal(signal.SIGTERM)
        assert keeper.wait(timeout=10) == 0


def test_without_a_lock_a_container_gets_everywhere(networks: Networks) -> None:
    for address in (HOST, HOST_OUTSIDE, OUTSIDE):
        assert networks.container.reaches(address)


def test_under_the_lock_a_container_only_answers(networks: Networks, tmp_path: Path) -> None:
    with kept(networks, tmp_path):
        for address in (HOST, HOST_OUTSIDE, OUTSIDE):
            assert not networks.container.reaches(address)
        assert networks.outside.reaches(CONTAINER)
        assert networks.host.reaches(CONTAINER)
    shown = json.loads(networks.host.lockdown("show", tmp_path))
    assert shown["held"]
    assert shown["dropped"]["input"] > 0
    assert shown["dropped"]["forward"] > 0


def test_a_connection_from_before_the_lock_is_cut(networks: Networks, tmp_path: Path) -> None:
    with networks.container.start(sys.executable, "-c", SPEAKER, OUTSIDE) as speaker:
        assert speaker.stdin is not None
        assert speaker.stdout is not None
        assert speaker.stdout.readline() == "through\n"
        speaker.stdin.write("word\n")
        speaker.stdin.flush()
        assert speaker.stdout.readline() == "through\n"
        with kept(networks, tmp_path):
            speaker.stdin.write("word\n")
            speaker.stdin.flush()
            assert speaker.stdout.readline() == "nothing\n"


def test_a_lock_outlives_its_keeper_until_it_is_removed(networks: Networks, tmp_path: Path) -> None:
    with kept(networks, tmp_path):
        pass
    assert not networks.container.reaches(OUTSIDE)
    networks.host.lockdown("remove", tmp_path)
    assert networks.container.reaches(OUTSIDE)


def test_without_the_capability_the_reason_is_said(networks: Networks, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "install.lockdown", "keep", "locked", "--signs", str(tmp_path)]
    without = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
    said = networks.host.run(*without, *words)
    assert "the capability NET_ADMIN is missing" in said
    assert not (tmp_path / "held").exists()
