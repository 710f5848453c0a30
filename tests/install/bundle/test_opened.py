import hashlib
import io
from pathlib import Path

import pytest

from install.bundle import members
from install.bundle.errors import DamagedError, LayoutError, ManifestError, NoBundleError
from install.bundle.manifest import CHUNK_BYTES
from install.bundle.opened import _Reading, opened
from tests.bundle_builders import a_bundle

WEIGHTS = b"1" * CHUNK_BYTES + b"2" * CHUNK_BYTES + b"3" * 100
CONTENTS = {"docs/README.md": b"read me\n", "models/m/w": WEIGHTS, "empty": b""}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_bundle(tmp_path_factory.mktemp("bundle") / "a.bundle", CONTENTS)


@pytest.mark.parametrize("inside", CONTENTS)
def test_an_entry_is_written_as_it_was(path: Path, inside: str, tmp_path: Path) -> None:
    heard: list[int] = []
    with opened(path) as bundle:
        bundle.extract(bundle.manifest.entry(inside), tmp_path / "out", heard.append)
    assert (tmp_path / "out").read_bytes() == CONTENTS[inside]
    assert sum(heard) == len(CONTENTS[inside])
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("kept", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 50])
@pytest.mark.parametrize("then", [b"", b"of something else"])
def test_an_entry_cut_short_is_gone_on_with(
    path: Path, kept: int, then: bytes, tmp_path: Path
) -> None:
    (tmp_path / "out.part").write_bytes(WEIGHTS[:kept] + then)
    heard: list[int] = []
    with opened(path) as bundle:
        bundle.extract(bundle.manifest.entry("models/m/w"), tmp_path / "out", heard.append)
    assert (tmp_path / "out").read_bytes() == WEIGHTS
    assert sum(heard) == len(WEIGHTS)


def test_an_entry_that_is_there_is_not_written_again(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with opened(path) as bundle:
        entry = bundle.manifest.entry("docs/README.md")
        bundle.extract(entry, out)
        before = out.stat()
        bundle.extract(entry, out)
    assert out.stat() == before


def test_a_damaged_chunk_is_never_written_as_whole(path: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "b.bundle"
    damaged.write_bytes(path.read_bytes().replace(b"333", b"343", 1))
    with opened(damaged) as bundle, pytest.raises(DamagedError, match="models/m/w"):
        bundle.extract(bundle.manifest.entry("models/m/w"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with opened(damaged) as bundle, pytest.raises(DamagedError):
        bundle.read("models/m/w", limit=3 * CHUNK_BYTES)


def test_the_installer_is_the_one_that_is_listed(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    with opened(path) as bundle:
        found = bundle.installer()
    assert content.endswith(found)
    other = tmp_path / "b.bundle"
    for tail in (found[:-1] + b"x", b""):
        other.write_bytes(content[: -len(found)] + tail)
        with opened(other) as bundle, pytest.raises(DamagedError, match="the installer"):
            bundle.installer()


def test_a_disk_that_fails_is_said_to_be_the_bundles() -> None:
    # The kernel answers EIO to who reads where this process has no memory.
    failing = "/proc/self/mem"
    with io.BufferedReader(_Reading(failing)) as file, pytest.raises(NoBundleError, match=failing):
        file.read(1)


def test_what_is_read_at_once_is_small(path: Path) -> None:
    with opened(path) as bundle:
        assert bundle.read("docs/README.md", limit=8) == b"read me\n"
        with pytest.raises(ManifestError, match="larger"):
            bundle.read("docs/README.md", limit=7)
        with pytest.raises(ManifestError, match="lacks"):
            bundle.read("docs/missing")


def test_a_bundle_that_lacks_a_chunk_gives_nothing(path: Path, tmp_path: Path) -> None:
    lacking = tmp_path / "b.bundle"
    content = path.read_bytes()
    name = f"chunks/{hashlib.sha256(b'read me' + bytes([10])).hexdigest()}".encode()
    at = content.index(name)
    lacking.write_bytes(content[:at] + content[at + 1024 :])
    with opened(lacking) as bundle:
        assert bundle.manifest.release == "0.2.0"
        for _ in range(2):
            with pytest.raises(LayoutError, match="does not hold"):
                bundle.read("models/m/w", limit=3 * CHUNK_BYTES)


def test_a_bundle_is_known_by_its_manifest(path: Path) -> None:
    with opened(path) as bundle:
        assert bundle.digest == hashlib.sha256(bundle.manifest_bytes).hexdigest()
        assert bundle.total_bytes == len(WEIGHTS) + 8 + bundle.manifest.installer.size


def test_a_bundle_without_contents_holds_nothing_else(tmp_path: Path) -> None:
    path = a_bundle(tmp_path / "a.bundle", {})
    with opened(path) as bundle:
        bundle.check()
    stranger = members.header(f"chunks/{'0' * 64}", 0)
    content = path.read_bytes()
    end = content.index(members.END + b"PK\x03\x04")
    path.write_bytes(content[:end] + stranger + content[end:])
    with opened(path) as bundle, pytest.raises(LayoutError):
        bundle.check()
