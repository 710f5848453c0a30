import hashlib
from pathlib import Path

import pytest

from install.importing import store
from install.importing.errors import NoRoomError, WeightsChangedError
from install.places import Places

CONTENT = b"abcdefgh" * 3
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def unheard(_count: int) -> None:
    pass


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "COPY_BYTES", 8)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


def test_a_file_is_kept_by_its_content(places: Places, source: Path) -> None:
    heard: list[int] = []
    store.keep(places, DIGEST, source, on_bytes=heard.append)
    kept = store.place_of(places, DIGEST)
    assert kept.read_bytes() == CONTENT
    assert (sum(heard), kept.stat().st_mode & 0o777) == (24, 0o444)
    store.keep(places, DIGEST, Path("/not/there"), on_bytes=heard.append)


@pytest.mark.parametrize("part", [CONTENT[:13], b"abcdefgh" + b"x" * 20, CONTENT + b"more", b"y"])
def test_what_an_earlier_try_left_is_gone_on_with(
    places: Places, source: Path, part: bytes
) -> None:
    left = store.place_of(places, f"{DIGEST}.part")
    left.parent.mkdir()
    left.write_bytes(part)
    store.keep(places, DIGEST, source, on_bytes=unheard)
    assert store.place_of(places, DIGEST).read_bytes() == CONTENT
    assert not left.exists()


def test_a_source_that_changed_meanwhile_is_refused(places: Places, source: Path) -> None:
    with pytest.raises(WeightsChangedError):
        store.keep(places, "0" * 64, source, on_bytes=unheard)
    assert list(store.files_folder(places).iterdir()) == []


def test_room_is_asked_for_before_anything_is_written(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.check_room(places, {})
    with pytest.raises(NoRoomError, match="are needed"):
        store.check_room(places, {DIGEST: 10**18})
    left = store.place_of(places, f"{DIGEST}.part")
    left.parent.mkdir()
    left.write_bytes(bytes(1000))
    monkeypatch.setattr(store, "SPARE_BYTES", 0)
    store.check_room(places, {DIGEST: 1000})


def test_folders_are_links_and_a_file_goes_with_its_last_name(places: Places, source: Path) -> None:
    store.keep(places, DIGEST, source, on_bytes=unheard)
    for name in ("one", "two"):
        store.assemble(places, places.models / name, {"a": DIGEST, "deep/b": DIGEST})
    kept = store.place_of(places, DIGEST)
    assert kept.stat().st_nlink == 5
    assert (places.models / "two" / "deep" / "b").samefile(kept)
    store.discard(places.models / "one")
    assert (store.sweep(places, with_parts=True), kept.exists()) == (0, True)
    store.discard(places.models / "two")
    store.discard(places.models / "two")
    assert (store.sweep(places, with_parts=True), kept.exists()) == (24, False)
    assert not [path for path in places.models.iterdir() if path != kept.parent]


def test_folders_of_models_that_were_cut_are_swept_with_their_files(
    places: Places, source: Path
) -> None:
    store.keep(places, DIGEST, source, on_bytes=unheard)
    for name in ("made", "removed", "whole"):
        store.assemble(places, places.models / name, {"a": DIGEST})
    (places.models / "made").rename(places.models / ".made.new")
    (places.models / "removed").rename(places.models / ".removed.gone")
    assert store.sweep(places, with_parts=True) == 0
    assert sorted(path.name for path in places.models.iterdir()) == [".files", "whole"]
    (places.models / "whole").rename(places.models / ".whole.gone")
    assert store.sweep(places, with_parts=True) == 24


def test_half_copied_files_are_swept_when_nobody_goes_on(places: Places) -> None:
    left = store.place_of(places, f"{DIGEST}.part")
    left.parent.mkdir()
    left.write_bytes(b"x")
    assert store.sweep(places, with_parts=False) == 0
    assert store.sweep(places, with_parts=True) == 1
