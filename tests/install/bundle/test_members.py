import io
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from install.bundle import members
from install.bundle.errors import BundleError, LayoutError, NoBundleError, TruncatedError
from install.bundle.members import header
from tests.bundle_builders import a_bundle

FIRST = header("manifest.json", 0)
CHUNK = f"chunks/{'0' * 64}"


def read(content: bytes) -> list[members.Member]:
    return list(members.members(io.BytesIO(content)))


def a_tar(name: str, *, form: Literal[0, 1, 2] = tarfile.USTAR_FORMAT, **facts: object) -> bytes:
    """The header blocks that Python's own tar program writes."""
    info = tarfile.TarInfo(name)
    for fact, value in facts.items():
        setattr(info, fact, value)
    return info.tobuf(form)


def test_a_tar_program_reads_what_is_written(tmp_path: Path) -> None:
    path = a_bundle(tmp_path / "a.bundle", {"docs/a": b"hello", "docs/b": b"x" * 513})
    with tarfile.open(path, "r:") as file:
        names = [(each.name, each.size, each.isfile()) for each in file]
    with path.open("rb") as file:
        assert [(each.name, each.size, True) for each in members.members(file)] == names


STRANGE = {
    "parent": a_tar("../escaped"),
    "absolute": a_tar("/etc/passwd"),
    "parent inside": a_tar("chunks/../../x"),
    "symbolic link": a_tar(CHUNK, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": a_tar(CHUNK, type=tarfile.LNKTYPE, linkname="manifest.json"),
    "character device": a_tar(CHUNK, type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "block device": a_tar(CHUNK, type=tarfile.BLKTYPE),
    "pipe": a_tar(CHUNK, type=tarfile.FIFOTYPE),
    "folder": a_tar(CHUNK, type=tarfile.DIRTYPE),
    "sparse file": a_tar(CHUNK, type=tarfile.GNUTYPE_SPARSE),
    "set-user-id": a_tar(CHUNK, mode=0o4755),
    "owner": a_tar(CHUNK, uid=1000),
    "time": a_tar(CHUNK, mtime=1),
    "owner's name": a_tar(CHUNK, uname="root"),
    "GNU": a_tar(CHUNK, form=tarfile.GNU_FORMAT),
    "GNU long name": a_tar("x" * 300, form=tarfile.GNU_FORMAT),
    "pax long name": a_tar("x" * 300, form=tarfile.PAX_FORMAT),
    "pax path": a_tar(CHUNK, form=tarfile.PAX_FORMAT, pax_headers={"path": "../escaped"}),
    "GNU size of an exabyte": a_tar(CHUNK, form=tarfile.GNU_FORMAT, size=2**60),
    "size minus one": header(CHUNK, -1),
    "size minus a block and one": header(CHUNK, -513),
    "slash": a_tar("manifest.json/"),
    "another file": a_tar("docs/README.md"),
    "letters' case": a_tar(f"chunks/{'A' * 64}"),
    "no header": b"x" * 512,
    "no text": b"\xff" * 512,
}


@pytest.mark.parametrize("block", STRANGE.values(), ids=STRANGE.keys())
def test_no_other_kind_of_member_is_taken(block: bytes) -> None:
    with pytest.raises(LayoutError):
        read(FIRST + block + members.END)
    with pytest.raises(BundleError):
        read(block + members.END)


@pytest.mark.parametrize("size", [-1, -513])
def test_a_manifest_is_not_smaller_than_nothing(size: int) -> None:
    with pytest.raises(LayoutError):
        read(header("manifest.json", size) + members.END)


def test_what_begins_otherwise_is_no_bundle() -> None:
    for content in (b"hello", a_tar("a") + members.END, b"PK\x03\x04" + bytes(600)):
        with pytest.raises(NoBundleError):
            read(content)


def test_a_member_cannot_claim_more_than_is_there() -> None:
    with pytest.raises(TruncatedError, match="not copied whole"):
        read(FIRST + header(CHUNK, 8**11 - 1) + members.END)


@pytest.mark.parametrize("left", [0, 1, 511, 512, 1000, 1023])
def test_an_end_mark_is_whole(left: int) -> None:
    with pytest.raises((TruncatedError, LayoutError)):
        read(FIRST + members.END[:left])


def test_an_end_mark_that_is_followed_by_something_is_none() -> None:
    with pytest.raises(LayoutError, match="end mark"):
        read(FIRST + bytes(512) + header(CHUNK, 0) + members.END)


def test_nothing_hides_behind_a_content() -> None:
    hidden = header(CHUNK, 1) + b"a" + bytes(510) + b"b"
    with pytest.raises(LayoutError, match="what no bundle holds there"):
        read(FIRST + hidden + members.END)


def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "MAX_MEMBERS", 3)
    assert len(read(FIRST + header(CHUNK, 0) * 2 + members.END)) == 3
    with pytest.raises(LayoutError, match="more than 3"):
        read(FIRST + header(CHUNK, 0) * 3 + members.END)


@given(st.binary(max_size=3000), st.booleans())
def test_whatever_is_read_is_members_or_refused(content: bytes, follows: bool) -> None:
    with suppress(BundleError):
        assert len(read((FIRST if follows else b"") + content)) == follows
