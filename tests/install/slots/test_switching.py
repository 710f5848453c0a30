import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from install import config
from install.config import Config
from install.errors import InstallError, InterruptError
from install.places import Places
from install.slots import journal as journals
from install.slots import switching
from install.slots.program import Program
from install.slots.switching import NotRevertedError, RevertedError, Switch
from tests.install.slots.conftest import the_pointer

Calls = Callable[[], list[str]]
Wish = Callable[[dict[str, object]], None]


def quietly(_line: str) -> None:
    pass


def accepting(_program: Program) -> None:
    pass


def steps(change: Switch) -> tuple[str, ...]:
    return change.journal.attempts()[-1].steps


def test_the_old_release_stops_before_the_new_one_is_in_use(change: Switch, calls: Calls) -> None:
    change.run(accepting, say=quietly)
    assert calls() == ["a install.cli down", "b install.cli up"]
    assert str(the_pointer(change.places)) == "slots/b"
    assert steps(change) == (
        journals.BEGAN,
        journals.SWITCHING,
        journals.STOPPED,
        journals.POINTED,
        journals.STARTED,
        journals.ACCEPTED,
    )


def test_a_release_that_does_not_start_is_put_back(
    change: Switch, calls: Calls, wish_for: Wish
) -> None:
    wish_for({"b install.cli up": {"fail": "service_not_ready"}})
    with pytest.raises(RevertedError, match="What ran before runs again") as caught:
        change.run(accepting, say=quietly)
    assert "it was wished for" in caught.value.sentence
    assert calls()[-1] == "a install.cli up"
    assert str(the_pointer(change.places)) == "slots/a"
    assert not change.journal.attempts()[-1].is_open


@pytest.mark.parametrize("cause", [InstallError("too slow"), InterruptError(), OSError(5, "disk")])
def test_a_release_that_is_not_accepted_is_put_back(change: Switch, cause: BaseException) -> None:
    def refuse(_program: Program) -> None:
        raise cause

    with pytest.raises(RevertedError):
        change.run(refuse, say=quietly)
    assert str(the_pointer(change.places)) == "slots/a"
    assert steps(change)[-1] == journals.REVERTED


def test_settings_of_the_new_release_go_with_it(change: Switch) -> None:
    before = Config(instance_port=9999)
    config.save(change.places.config, before)

    def refuse(_program: Program) -> None:
        config.save(change.places.config, Config(instance_port=1111))
        sentence = "no"
        raise InstallError(sentence)

    with pytest.raises(RevertedError):
        change.run(refuse, say=quietly)
    assert config.load(change.places.config) == before


def test_when_neither_starts_it_is_said(change: Switch, wish_for: Wish) -> None:
    wish_for({f"{name} install.cli up": {"fail": "broken"} for name in "ab"})
    with pytest.raises(NotRevertedError, match="bundle recover"):
        change.run(accepting, say=quietly)
    assert change.journal.attempts()[-1].is_open


def test_a_release_that_cannot_even_stop_does_not_keep_the_other_down(
    change: Switch, wish_for: Wish
) -> None:
    wish_for({"a install.cli down": {"fail": "supervisor_failed"}})
    change.run(accepting, say=quietly)
    assert str(the_pointer(change.places)) == "slots/b"


def test_what_a_clone_made_has_no_pointer(two_slots: Places) -> None:
    switching.point(two_slots, "envs")
    assert the_pointer(two_slots) is None
    assert two_slots.slot == two_slots.home / "envs"
    switching.point(two_slots, "slots/b")
    switching.point(two_slots, None)
    assert the_pointer(two_slots) is None


def test_what_is_in_use_is_told_by_its_folder(two_slots: Places) -> None:
    assert switching.in_use(two_slots) == "slots/a"
    switching.point(two_slots, None)
    assert switching.in_use(two_slots) is None


def test_a_disk_too_full_to_begin_touches_nothing(
    change: Switch, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = config.load(change.places.config)

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "hardlink_to", full)
        with pytest.raises(OSError, match="No space"):
            change.run(accepting, say=quietly)
    assert calls() == []
    assert config.load(change.places.config) == before
    assert str(the_pointer(change.places)) == "slots/a"
    assert journals.SWITCHING not in steps(change)


def test_putting_the_settings_back_takes_no_room_and_can_be_done_again(change: Switch) -> None:
    before = Config(instance_port=9999)
    config.save(change.places.config, before)
    change.run(accepting, say=quietly)
    config.save(change.places.config, Config(instance_port=1111))
    for _ in range(2):
        change.put_config_back()
        assert config.load(change.places.config) == before
    assert not list(change.places.slots.glob("*.draft"))
