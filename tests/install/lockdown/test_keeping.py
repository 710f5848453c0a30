import errno
import json
import threading
from pathlib import Path

import pytest

from install.lockdown import keeping
from install.lockdown.keeping import Keeper
from install.lockdown.netlink import FilterError, PacketFilter
from install.lockdown.rules import difference, lock_of
from tests.fakes.packet_filter import FakeKernel

LOCK = lock_of("casemate-edge")
BOOT = "9a288aea-91d5-47fb-9a54-47db1fa7f45f\n"


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def keeper(kernel: FakeKernel, tmp_path: Path) -> Keeper:
    (tmp_path / "boot_id").write_text(BOOT)
    packets = PacketFilter(kernel)
    return Keeper(LOCK, packets, signs=tmp_path, boot_id=tmp_path / "boot_id")


def is_held(kernel: FakeKernel) -> bool:
    return difference(LOCK, PacketFilter(kernel).read(LOCK).chains) is None


def events(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]


def test_looking_puts_a_missing_lock_and_says_in_which_boot(
    keeper: Keeper, kernel: FakeKernel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper.look()
    assert is_held(kernel)
    assert (tmp_path / "held").read_text() == BOOT
    assert events(capsys) == ["lock_put"]


def test_a_lock_that_is_there_is_left_alone(
    keeper: Keeper, kernel: FakeKernel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper.look()
    (tmp_path / "seen").unlink()
    keeper.look()
    assert kernel.batches == 1
    assert (tmp_path / "seen").exists()
    assert events(capsys) == ["lock_put"]


def test_a_lock_that_was_taken_away_is_put_back(keeper: Keeper, kernel: FakeKernel) -> None:
    keeper.look()
    kernel.forget()
    keeper.look()
    assert is_held(kernel)


def test_dropped_packets_are_told_once(
    keeper: Keeper, kernel: FakeKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper.look()
    for rule in kernel.rules:
        for step in rule.get_attr("NFTA_RULE_EXPRESSIONS"):
            if step.get_attr("NFTA_EXPR_NAME") == "counter":
                step.get_attr("NFTA_EXPR_DATA")["attrs"] = [("NFTA_COUNTER_PACKETS", 2)]
    keeper.look()
    keeper.look()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["event"], one.get("packets")) for one in lines[1:]] == [("packets_dropped", 4)]


def test_giving_up_takes_the_lock_and_its_signs_away(
    keeper: Keeper, kernel: FakeKernel, tmp_path: Path
) -> None:
    keeper.look()
    keeper.give_up()
    assert not kernel.tables
    assert [path.name for path in tmp_path.iterdir()] == ["boot_id"]


def test_the_lock_stays_when_keeping_ends(
    keeper: Keeper, kernel: FakeKernel, tmp_path: Path
) -> None:
    ended = threading.Event()
    ended.set()
    keeper.run(until=ended)
    assert is_held(kernel)
    assert (tmp_path / "held").exists()


def test_a_lock_that_cannot_be_put_at_first_ends_the_keeping(
    keeper: Keeper, kernel: FakeKernel, tmp_path: Path
) -> None:
    kernel.refusal = errno.EPERM
    with pytest.raises(FilterError):
        keeper.run(until=threading.Event())
    assert not (tmp_path / "held").exists()


def test_a_look_that_fails_later_leaves_no_sign_and_is_tried_again(
    keeper: Keeper,
    kernel: FakeKernel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Turns(threading.Event):
        """Two looks: the kernel refuses the first and answers the second."""

        left = 2

        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            kernel.refusal = errno.EBUSY if self.left == 2 else 0
            if self.left == 2:
                (tmp_path / "seen").unlink()
            if self.left == 1:
                assert not (tmp_path / "seen").exists()
            self.left -= 1
            return self.left < 0

    monkeypatch.setattr(keeping, "LOOK_EVERY_S", 0.0)
    keeper.run(until=Turns())
    assert (tmp_path / "seen").exists()
    assert events(capsys) == ["lock_put", "lock_unknown"]
