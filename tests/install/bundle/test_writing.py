from pathlib import Path

import pytest

from install.bundle import writing
from install.bundle.errors import BeingWrittenError, SourceChangedError
from install.bundle.manifest import CHUNK_BYTES, Manifest
from install.bundle.opened import opened
from tests.bundle_builders import a_bundle, an_installer, the_signing_key

CONTENTS = {"docs/README.md": b"read me\n", "models/m/w": bytes(CHUNK_BYTES) * 2 + b"end", "e": b""}


class Input:
    """Files, their manifest, and where the bundle goes."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "out.bundle"
        self.sources = {}
        for number, (path, content) in enumerate(CONTENTS.items()):
            self.sources[path] = folder / str(number)
            self.sources[path].write_bytes(content)
        self.installer = folder / "installer"
        self.installer.write_bytes(an_installer())
        self.manifest = Manifest(
            release="0.2.0",
            schema_generation=1,
            architecture="x86_64",
            python="3.11",
            made_at="2026-10-01T00:00:00Z",
            devices=("cpu",),
            entries=writing.describe(self.sources),
            models=(),
            images=(),
            installer=writing.describe_installer(self.installer),
        )

    def write(self) -> list[int]:
        heard: list[int] = []
        writing.write(
            self.out,
            self.manifest,
            self.sources,
            installer=self.installer,
            signing=the_signing_key(),
            on_bytes=heard.append,
        )
        return heard


@pytest.fixture
def given(tmp_path: Path) -> Input:
    return Input(tmp_path)


def test_a_written_bundle_holds_what_it_was_made_of(tmp_path: Path) -> None:
    path = a_bundle(tmp_path / "a.bundle", CONTENTS)
    with opened(path) as bundle:
        bundle.check()
        for inside, content in CONTENTS.items():
            assert bundle.read(inside, limit=3 * CHUNK_BYTES) == content


def test_two_builds_of_the_same_input_are_the_same_bytes(tmp_path: Path) -> None:
    first = a_bundle(tmp_path / "a.bundle", CONTENTS).read_bytes()
    turned = dict(reversed(CONTENTS.items()))
    assert a_bundle(tmp_path / "b.bundle", turned).read_bytes() == first


def test_a_chunk_that_is_there_twice_is_held_once(given: Input) -> None:
    heard = given.write()
    assert sum(heard) == CHUNK_BYTES + len(b"end") + len(b"read me\n")
    assert given.out.stat().st_size < 2 * CHUNK_BYTES


@pytest.mark.parametrize("kept", [0, 1, 511, 5000, CHUNK_BYTES + 3000, 10**9])
def test_a_build_cut_short_goes_on_to_the_same_bytes(given: Input, kept: int) -> None:
    given.write()
    whole = given.out.read_bytes()
    part = given.out.with_name("out.bundle.part")
    given.out.rename(part)
    part.write_bytes(whole[:kept])
    given.write()
    assert given.out.read_bytes() == whole
    assert not part.exists()


@pytest.mark.parametrize("at", [0, 600, 6000, CHUNK_BYTES, CHUNK_BYTES + 3000])
def test_what_is_wrong_of_an_earlier_try_is_written_anew(given: Input, at: int) -> None:
    given.write()
    whole = given.out.read_bytes()
    wrong = bytearray(whole + b"of a longer try")
    wrong[at] ^= 1
    given.out.with_name("out.bundle.part").write_bytes(wrong)
    given.write()
    assert given.out.read_bytes() == whole


def test_a_source_that_changed_meanwhile_gives_no_bundle(given: Input) -> None:
    given.sources["docs/README.md"].write_bytes(b"ready?!\n")
    with pytest.raises(SourceChangedError):
        given.write()
    assert not given.out.exists()


def test_an_installer_that_changed_meanwhile_gives_no_bundle(given: Input) -> None:
    given.installer.write_bytes(b"another")
    with pytest.raises(SourceChangedError):
        given.write()


def test_two_programs_do_not_write_the_same_bundle(given: Input) -> None:
    with writing._part(given.out), pytest.raises(BeingWrittenError):
        given.write()


def test_what_was_described_is_not_read_again(tmp_path: Path) -> None:
    source, cache = tmp_path / "source", tmp_path / "cache"
    source.write_bytes(b"content")
    first = writing.describe({"a": source}, cache=cache)
    source.chmod(0)  # whoever is root may read it all the same, so the content is looked at below
    before = source.stat()
    assert writing.describe({"a": source}, cache=cache) == first
    source.chmod(0o600)
    source.write_bytes(b"another")
    assert source.stat().st_mtime_ns != before.st_mtime_ns
    assert writing.describe({"a": source}, cache=cache) != first


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"x": 1}'])
def test_a_damaged_cache_is_only_slow(tmp_path: Path, damage: str) -> None:
    source, cache = tmp_path / "source", tmp_path / "cache"
    source.write_bytes(b"content")
    first = writing.describe({"a": source})
    cache.write_text(damage)
    assert writing.describe({"a": source}, cache=cache) == first
