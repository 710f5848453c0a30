import json
from collections.abc import Callable
from pathlib import Path

import pytest

from install.lockdown.__main__ import main
from install.lockdown.netlink import PacketFilter
from tests.fakes.packet_filter import FakeKernel


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def run(kernel: FakeKernel, tmp_path: Path) -> Callable[..., int]:
    def run(command: str, *more: str) -> int:
        words = [command, *more, "--signs", str(tmp_path)]
        return main(words, opened=lambda: PacketFilter(kernel))

    return run


def test_show_tells_whether_the_lock_is_there(
    run: Callable[..., int], kernel: FakeKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("show", "br-1") == 1
    said = json.loads(capsys.readouterr().out)
    assert said == {"held": False, "problem": "There is no lock.", "dropped": {}}
    assert kernel.batches == 0


def test_remove_takes_the_lock_away(run: Callable[..., int], kernel: FakeKernel) -> None:
    assert run("remove", "br-1") == 0
    assert not kernel.tables


def test_the_bridge_comes_from_the_environment(
    run: Callable[..., int], kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEMATE_EDGE_BRIDGE", "no bridge at all, it is too long")
    assert run("remove") == 2
    assert kernel.batches == 0


def test_a_refusal_is_one_sentence(
    run: Callable[..., int], kernel: FakeKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel.refusal = 1
    assert run("remove", "br-1") == 2
    assert capsys.readouterr().err == (
        "The packet filter cannot be used: the capability NET_ADMIN is missing.\n"
    )
