import hashlib
import io
import json
from pathlib import Path

import pytest

from install.building import carrying
from install.building.errors import TimeUnknownError, WheelsMissingError
from install.building.starting import STEPS
from install.bundle.errors import SigningKeyError
from install.bundle.opened import opened
from install.progress import Display
from tests.bundle_builders import an_installer
from tests.install.building.builders import a_clone, an_order

AT = "1767225600"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", AT)
    return a_clone(tmp_path / "clone")


@pytest.fixture
def display() -> Display:
    return Display.on(io.StringIO(), steps=STEPS)


def test_a_bundle_carries_what_its_release_needs(
    clone: Path, tmp_path: Path, display: Display
) -> None:
    built = carrying.build(an_order(clone, tmp_path / "work"), display)
    with opened(built.path) as bundle:
        bundle.check()
        manifest = bundle.manifest
    paths = {each.path for each in manifest.entries}
    assert (manifest.release, manifest.schema_generation) == ("0.3.0", 4)
    assert (manifest.made_at, manifest.devices) == ("2026-01-01T00:00:00Z", ("cpu",))
    assert paths >= {
        "wheels/services/one_thing-1.0-py3-none-any.whl",
        "wheels/model-server-cpu/other-1.0-py3-none-any.whl",
        "wheels/casemate/casemate-0.3.0-py3-none-any.whl",
        "wheels/casemate/sources.json",
        "locks/services.lock",
        "locks/model-server-cpu.lock",
        "models/small-model/config.json",
        "docs/README.md",
        "docs/LICENCES.md",
        "prompts/chat/base.toml",
        "licences/one-thing-1.0/LICENSE",
        "sbom.cdx.json",
        "acceptance.json",
    }


def test_the_same_release_gives_the_same_bytes_anywhere(
    clone: Path, tmp_path: Path, display: Display
) -> None:
    first = carrying.build(an_order(clone, tmp_path / "first"), display)
    second = carrying.build(an_order(clone, tmp_path / "second"), display)
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.bundle == second.bundle


def test_the_list_of_parts_has_each_file_and_package(
    clone: Path, tmp_path: Path, display: Display
) -> None:
    built = carrying.build(an_order(clone, tmp_path / "work"), display)
    with opened(built.path) as bundle:
        listed = json.loads(bundle.read("sbom.cdx.json"))
        manifest = bundle.manifest
    text = json.dumps(listed)
    missing = [each.path for each in manifest.entries if each.digest not in text]
    assert missing == ["sbom.cdx.json"]
    assert manifest.installer.digest in text


def test_a_model_is_known_by_the_digests_of_its_files(
    clone: Path, tmp_path: Path, display: Display
) -> None:
    built = carrying.build(an_order(clone, tmp_path / "work"), display)
    with opened(built.path) as bundle:
        (model,) = bundle.manifest.models
        entries = bundle.manifest.entries
    assert (model.ref, model.folder) == ("small-model", "models/small-model")
    lines = "".join(
        f"{each.path.removeprefix('models/small-model/')}\0{each.digest}\n"
        for each in entries
        if each.path.startswith("models/small-model/")
    )
    assert model.digest == hashlib.sha256(lines.encode()).hexdigest()


def test_models_alone_need_no_packages(clone: Path, tmp_path: Path, display: Display) -> None:
    order = an_order(clone, tmp_path / "work", devices=(), has_program=False)
    built = carrying.build(order, display)
    with opened(built.path) as bundle:
        paths = [each.path for each in bundle.manifest.entries]
        assert bundle.manifest.devices == ()
    assert all(path.startswith(("models/", "acceptance", "sbom")) for path in paths)


def test_a_build_that_was_cut_is_gone_on_with(
    clone: Path, tmp_path: Path, display: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = carrying.build(an_order(clone, tmp_path / "whole"), display)
    order = an_order(clone, tmp_path / "cut")
    with monkeypatch.context() as patched:
        # A machine that stops while the last bytes are written.
        patched.setattr("os.fsync", _stop)
        with pytest.raises(KeyboardInterrupt):
            carrying.build(order, display)
    assert not order.out.exists()
    assert carrying.build(order, display).path.read_bytes() == whole.path.read_bytes()


def _stop(_handle: int) -> None:
    raise KeyboardInterrupt


def test_a_wheel_that_changed_after_it_was_fetched_is_refused(
    clone: Path, tmp_path: Path, display: Display
) -> None:
    order = an_order(clone, tmp_path / "work")
    wheel = next(order.work.glob("wheels/*/other-*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"more")
    with pytest.raises(WheelsMissingError, match="model-server-cpu"):
        carrying.build(order, display)
    assert not order.out.exists()


@pytest.mark.parametrize("content", [b"", b"not a zip", None])
@pytest.mark.parametrize("name", ["wheels/*/other-*.whl", "**/casemate-0.3.0-*.whl"])
def test_a_wheel_that_a_power_cut_damaged_is_gone_and_said(
    clone: Path, tmp_path: Path, display: Display, name: str, content: bytes | None
) -> None:
    order = an_order(clone, tmp_path / "work")
    wheel = next(order.work.glob(name))
    # Without its description, as a ZIP of other things is.
    wheel.write_bytes(an_installer() if content is None else content)
    with pytest.raises(WheelsMissingError, match="build again, which fetches them anew"):
        carrying.build(order, display)
    assert not wheel.exists()
    assert not order.out.exists()


def test_a_licence_that_a_power_cut_damaged_is_one_of_a_wheel(
    clone: Path, tmp_path: Path, display: Display
) -> None:
    order = an_order(clone, tmp_path / "work")
    shelved = [*order.work.glob("wheels/*/one_thing-*.whl")]
    content = shelved[0].read_bytes().replace(b"MIT text", b"MIT texx")
    # Each lock's folder has the same file.
    for each in shelved:
        each.write_bytes(content)
    with pytest.raises(WheelsMissingError, match=r"services\.lock and model-server-cpu\.lock"):
        carrying.build(order, display)
    assert not any(each.exists() for each in shelved)


def test_without_a_key_nothing_is_fetched(clone: Path, tmp_path: Path, display: Display) -> None:
    order = an_order(clone, tmp_path / "work", key=tmp_path / "no-key")
    with pytest.raises(SigningKeyError):
        carrying.build(order, display)


def test_a_time_must_be_told_where_there_are_no_commits(
    clone: Path, tmp_path: Path, display: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    with pytest.raises(TimeUnknownError, match="SOURCE_DATE_EPOCH"):
        carrying.build(an_order(clone, tmp_path / "work"), display)


def test_what_was_built_is_told(
    clone: Path, tmp_path: Path, display: Display, capsys: pytest.CaptureFixture[str]
) -> None:
    built = carrying.build(an_order(clone, tmp_path / "work"), display)
    built.tell()
    said = capsys.readouterr().out
    assert built.bundle in said
    assert built.signer in said
    assert built.as_dict()["bytes"] == built.path.stat().st_size
