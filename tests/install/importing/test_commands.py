import json
from dataclasses import replace
from pathlib import Path

import pytest

from install import locking
from install.config import Config, save
from install.errors import AlreadyWorkingError, InstallError
from install.importing import store
from install.places import Places
from tests.bundle_builders import the_signing_key
from tests.install.conftest import Run
from tests.install.importing.builders import a_folder, a_models_bundle, weights


@pytest.fixture(autouse=True)
def set_up(places: Places, config: Config) -> None:
    save(places.config, config)


def test_a_model_is_imported_listed_and_forgotten(casemate: Run, tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "tiny")
    code, out, err = casemate("models", "import", str(folder), "--force")
    assert (code, err) == (0, "")
    assert "tiny is imported" in out
    assert "casemate up --model" in out
    (listed,) = json.loads(casemate("models", "imported", "--json")[1])
    assert (listed["ref"], listed["is_served"]) == ("tiny", False)
    assert "tiny" in casemate("models", "imported")[1]
    code, out, _ = casemate("models", "forget", "tiny")
    assert (code, "tiny is removed" in out) == (0, True)
    assert not Path(listed["path"]).exists()
    code, _, err = casemate("models", "forget", "tiny", "--json")
    assert (code, "imported: none" in err) == (2, True)


def test_a_served_model_is_not_forgotten(
    casemate: Run, tmp_path: Path, places: Places, config: Config
) -> None:
    folder = a_folder(tmp_path / "tiny")
    said = json.loads(casemate("models", "import", str(folder), "--force", "--json")[1])
    (model,) = said["models"]
    save(places.config, replace(config, model=model["path"]))
    code, _, err = casemate("models", "forget", "tiny")
    assert (code, "serve another first" in err) == (2, True)
    assert json.loads(casemate("models", "imported", "--json")[1])[0]["is_served"]


def test_a_model_whose_removal_was_cut_is_removed_the_next_time(
    casemate: Run, tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise InstallError("cut")

    casemate("models", "import", str(a_folder(tmp_path / "tiny")), "--force")
    for name in ("store.discard", "records.remove"):
        with monkeypatch.context() as patched:
            patched.setattr(f"install.importing.{name}", cut)
            assert casemate("models", "forget", "tiny")[0] == 1
    assert list(store.files_folder(places).iterdir())
    assert "imported: none" in casemate("models", "forget", "tiny")[2]
    assert not list(store.files_folder(places).iterdir())


def test_nothing_is_forgotten_while_a_bundle_is_applied(
    casemate: Run, tmp_path: Path, places: Places
) -> None:
    casemate("models", "import", str(a_folder(tmp_path / "tiny")), "--force")
    with locking.held(places):
        code, out, _ = casemate("models", "forget", "tiny", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (1, AlreadyWorkingError.code)
    assert casemate("models", "forget", "tiny")[0] == 0


def test_a_bundle_of_models_is_verified_first(casemate: Run, tmp_path: Path) -> None:
    path = a_models_bundle(tmp_path / "m.bundle", {"a": weights(), "b": weights(b"\1\1")})
    words = ("models", "import", str(path), "--force", "--json")
    code, out, _ = casemate(*words)
    assert (code, json.loads(out)["error"]["code"]) == (2, "trust_not_confirmed")
    mark = the_signing_key().signer.statement.fingerprint
    code, out, _ = casemate(*words, "--fingerprint", mark)
    assert (code, [each["ref"] for each in json.loads(out)["models"]]) == (0, ["a", "b"])
    code, _, err = casemate(*words, "--fingerprint", mark, "--serve")
    assert (code, "one is served at a time" in err) == (2, True)


def test_what_cannot_be_copied_is_a_sentence(
    casemate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("install.importing.store.keep", full)
    code, _, err = casemate("models", "import", str(a_folder(tmp_path / "m")), "--force")
    assert (code, "No space left on device. Run it again; it goes on" in err) == (1, True)


def test_what_is_neither_folder_nor_bundle_is_refused(casemate: Run, tmp_path: Path) -> None:
    assert "neither a folder" in casemate("models", "import", str(tmp_path / "gone"))[2]
    (tmp_path / "x.tar").write_bytes(b"x" * 2000)
    code, out, _ = casemate("models", "import", str(tmp_path / "x.tar"), "--json")
    assert (code, json.loads(out)["error"]["code"]) == (2, "not_a_bundle")
