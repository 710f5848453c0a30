from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest

from install.bundle import verifying
from install.bundle.errors import NoBundleError
from install.bundle.signers import SigningKey
from install.bundle.verifying import Asks, Verified
from install.config import Config
from install.errors import AlreadyWorkingError
from install.importing import records, store, work
from install.importing.errors import DoesNotFitError, NoRoomError, WeightsRefusedError
from install.importing.work import Importer, Wish
from install.places import Places
from install.preflight.fit import Memory
from install.progress import Display
from tests.bundle_builders import NOW, the_signing_key
from tests.install.importing.builders import a_folder, a_models_bundle, weights


@pytest.fixture
def importer(places: Places) -> Importer:
    return Importer(
        places=places,
        settings=Config(device="cpu"),
        wish=Wish(),
        display=Display(StringIO(), live=False, colour=False, steps=work.STEPS),
        now=lambda: datetime(2026, 11, 1, tzinfo=UTC),
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = Memory(device="cpu", pieces=(2 * 1024**3,))
    monkeypatch.setattr("install.preflight.bundle.memory_here", lambda *_, **__: tiny)


def verified(path: Path, places: Places) -> Verified:
    key: SigningKey = the_signing_key()
    asks = Asks(fingerprint=key.signer.statement.fingerprint)
    return verifying.verify(path, trust=places.trust, now=NOW, asks=asks)


def kept(places: Places) -> list[str]:
    folder = store.files_folder(places)
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_folder_is_there_under_its_ref_and_content(importer: Importer, tmp_path: Path) -> None:
    found = importer.folder(a_folder(tmp_path / "Tiny Model"))
    assert (found.ref, found.name, found.family) == ("tiny-model", "Tiny Model", "general")
    path = found.path(importer.places)
    assert path.name == f"tiny-model@{found.digest[:12]}"
    assert {each.name: each.read_bytes() for each in path.iterdir()} == weights()
    assert found.at == "2026-11-01T00:00:00+00:00"
    assert records.all_of(importer.places) == [found]


def test_the_same_weights_cost_nothing_the_second_time(
    importer: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = importer.folder(a_folder(tmp_path / "m"))
    before = kept(importer.places)
    monkeypatch.setattr(store, "SPARE_BYTES", 10**18)
    assert importer.folder(tmp_path / "m") == first
    other = replace(importer, wish=Wish(ref="other", name="Other", family="llama3"))
    second = other.folder(tmp_path / "m")
    assert (second.ref, second.name, second.family) == ("other", "Other", "llama3")
    assert kept(importer.places) == before
    files = [each.path(importer.places) / "config.json" for each in (first, second)]
    assert files[0].samefile(files[1])


def test_models_share_the_files_that_are_the_same(importer: Importer, tmp_path: Path) -> None:
    importer.folder(a_folder(tmp_path / "one"))
    importer.folder(a_folder(tmp_path / "two", weights(b"\2\2")))
    assert len(kept(importer.places)) == 4


@pytest.mark.usefixtures("small")
def test_what_does_not_fit_is_refused_with_numbers_unless_forced(
    importer: Importer, tmp_path: Path
) -> None:
    folder = a_folder(tmp_path / "m")
    with pytest.raises(DoesNotFitError, match=r"3\.2 GB of memory are needed, 2\.1 GB can be had"):
        importer.folder(folder)
    assert kept(importer.places) == []
    assert replace(importer, wish=Wish(is_forced=True)).folder(folder).ref == "m"


def test_a_full_disk_is_told_before_anything_is_copied(
    importer: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SPARE_BYTES", 10**18)
    with pytest.raises(NoRoomError):
        importer.folder(a_folder(tmp_path / "m"))
    assert kept(importer.places) == []


def test_a_disk_that_fills_up_meanwhile_leaves_what_can_be_gone_on_with(
    importer: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_folder(tmp_path / "m")
    keep, calls = store.keep, 0

    def full(places: Places, digest: str, source: Path, **more: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(28, "No space left on device")
        keep(places, digest, source, **more)  # type: ignore[arg-type]  # on_bytes

    monkeypatch.setattr(store, "keep", full)
    with pytest.raises(OSError, match="No space"):
        importer.folder(folder)
    assert (len(kept(importer.places)), records.all_of(importer.places)) == (2, [])
    monkeypatch.setattr(store, "keep", keep)
    assert importer.folder(folder).path(importer.places).is_dir()


@pytest.mark.parametrize("ref", ["", "-x", "a b", "a/../b", "a" * 101])
def test_a_strange_ref_is_refused(importer: Importer, tmp_path: Path, ref: str) -> None:
    wish = Wish(ref=ref)
    if ref:
        with pytest.raises(WeightsRefusedError, match="--ref"):
            replace(importer, wish=wish).folder(a_folder(tmp_path / "m"))
    else:
        assert replace(importer, wish=wish).folder(a_folder(tmp_path / "m")).ref == "m"


def test_one_import_at_a_time(importer: Importer, tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "m")
    with work.held(importer.places), pytest.raises(AlreadyWorkingError):
        importer.folder(folder)


def test_a_bundle_brings_its_models_with_their_names(
    importer: Importer, tmp_path: Path, places: Places
) -> None:
    carried = {"small": weights(), "large": weights(b"\1\1")}
    path = a_models_bundle(tmp_path / "m.bundle", carried)
    found = importer.bundle(path, verified(path, places))
    assert [(each.ref, each.name, each.context_tokens) for each in found] == [
        ("small", "Small", 32),
        ("large", "Large", 32),
    ]
    assert (found[1].path(places) / "config.json").read_bytes() == weights()["config.json"]
    assert importer.folder(a_folder(tmp_path / "small")).digest == found[0].digest
    with pytest.raises(WeightsRefusedError, match="carries 2 models"):
        replace(importer, wish=Wish(ref="x")).bundle(path, verified(path, places))


def test_a_bundle_with_pickled_weights_leaves_nothing(
    importer: Importer, tmp_path: Path, places: Places
) -> None:
    path = a_models_bundle(tmp_path / "m.bundle", {"m": {**weights(), "x.bin": b"x"}})
    with pytest.raises(WeightsRefusedError, match=r"x\.bin"):
        importer.bundle(path, verified(path, places))
    assert kept(places) == []


def test_only_the_verified_bundle_is_taken(
    importer: Importer, tmp_path: Path, places: Places
) -> None:
    path = a_models_bundle(tmp_path / "m.bundle", {"m": weights()})
    found = verified(path, places)
    path.unlink()
    a_models_bundle(path, {"m": weights(b"\5\5")})
    with pytest.raises(NoBundleError, match="another bundle"):
        importer.bundle(path, found)
    path.unlink()
    a_models_bundle(path, {})
    with pytest.raises(WeightsRefusedError, match="no models"):
        importer.bundle(path, verified(path, places))
