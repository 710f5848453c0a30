import pytest

from install.backup import exchange
from install.backup.exchange import RestoreUndecidedError
from install.places import Places


def _nobody(_step: str) -> None:
    """Hears nothing."""


def test_files_are_exchanged_and_put_back(places: Places) -> None:
    new = exchange.folder_of(places) / exchange.NEW
    (new / "keys").mkdir(parents=True)
    (new / "keys" / "a").write_text("new")
    (new / "added").write_text("new")
    (places.home / "keys" / "b").write_text("old")
    state = exchange.begin(places, ("keys", "added", "lacking"), passed=_nobody)
    assert state.absent == ("added",)
    assert [each.name for each in (places.home / "keys").iterdir()] == ["a"]
    for _ in range(2):
        exchange.put_back(places, state)
        assert (places.home / "keys" / "b").read_text() == "old"
        assert not (places.home / "added").exists()
    exchange.forget(places)
    assert exchange.read(places) is None


def test_a_state_that_cannot_be_read_is_not_guessed_at(places: Places) -> None:
    work = exchange.folder_of(places)
    work.mkdir()
    (work / exchange.STATE).write_text("{")
    with pytest.raises(RestoreUndecidedError, match="cannot be read"):
        exchange.read(places)
