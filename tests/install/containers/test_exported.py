import tarfile
from collections.abc import Iterator

import pytest

from install.containers.errors import ImageRefusedError
from install.containers.exported import examine
from tests.install.containers.builders import (
    Member,
    a_member,
    identity_of,
    its_members,
    packed,
)

TAG = "casemate/gateway:1-abc"
GOOD = its_members(TAG)
DEVICE = a_member("x", kind=tarfile.CHRTYPE)
PAX = a_member("x", b"20 path=manifest.json", kind=tarfile.XHDTYPE)


def in_pieces(content: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("size", [1, 511, 512, 1 << 20])
def test_a_file_in_pieces_of_any_size_tells_what_it_holds(size: int) -> None:
    found = examine("gateway", in_pieces(packed(GOOD), size))
    assert (found.tag, found.identity, len(found.layers)) == (TAG, identity_of(), 2)


def test_a_layer_that_is_there_twice_stands_there_once() -> None:
    members = its_members(TAG, (b"empty", b"one", b"empty"))
    assert len(members) == 4
    assert len(examine("gateway", [packed(members)]).layers) == 3


@pytest.mark.parametrize(
    "member",
    [
        a_member("link", kind=tarfile.SYMTYPE),
        a_member("link", kind=tarfile.LNKTYPE),
        a_member("folder", kind=tarfile.DIRTYPE),
        DEVICE,
        PAX,
        a_member("x", b"a" * 200, kind=tarfile.GNUTYPE_LONGNAME),
        a_member("../out"),
        a_member("/etc/passwd"),
        a_member("a/../../b"),
        a_member(".hidden"),
        a_member("repositories"),
        a_member("manifest.json", b"[]"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_whatever_belongs_to_no_image_is_refused(member: Member, is_first: bool) -> None:
    members = [member, *GOOD] if is_first else [*GOOD, member]
    with pytest.raises(ImageRefusedError, match="it was not loaded"):
        examine("gateway", [packed(members)])


def test_a_file_that_was_cut_or_goes_on_is_refused() -> None:
    whole = packed(GOOD)
    for cut in (0, 100, 512, 2000, len(packed(GOOD).rstrip(bytes(1)))):
        with pytest.raises(ImageRefusedError, match="ends too early"):
            examine("gateway", [whole[:cut]])
    with pytest.raises(ImageRefusedError, match="goes on behind its end"):
        examine("gateway", [whole, b"more"])


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"[{}, {}]", b'[{"RepoTags": ["a", "b"]}]', b"[" * 100_000]
)
def test_a_list_of_anything_but_one_image_is_refused(text: bytes) -> None:
    with pytest.raises(ImageRefusedError):
        examine("gateway", [packed([a_member("manifest.json", text), *GOOD[1:]])])


def test_a_layer_that_is_missing_is_missed() -> None:
    with pytest.raises(ImageRefusedError, match="does not hold the layers"):
        examine("gateway", [packed(GOOD[:-1])])


def test_a_million_files_are_not_read() -> None:
    members = [a_member(f"x{count}") for count in range(1100)]
    with pytest.raises(ImageRefusedError, match="more than 1024 files"):
        examine("gateway", [packed(members)])


def test_a_broken_header_is_refused() -> None:
    content = bytearray(packed(GOOD))
    content[0] ^= 1
    with pytest.raises(ImageRefusedError, match="no image"):
        examine("gateway", [bytes(content)])
