import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from install.bundle import manifest as manifests
from install.bundle.errors import ManifestError
from install.bundle.manifest import (
    CHUNK_BYTES,
    CarriedImage,
    CarriedModel,
    Chunk,
    Entry,
    Installer,
    Manifest,
)

ONE, TWO = "1" * 64, "2" * 64
Change = Callable[[dict[str, Any]], object]


def an_entry(path: str, digest: str = ONE, size: int = 5) -> Entry:
    return Entry(path=path, digest=digest, size=size, chunks=(Chunk(digest=digest, size=size),))


BARE = Manifest(
    release="0.2.0",
    schema_generation=3,
    architecture="x86_64",
    python="3.11",
    made_at="2026-10-01T00:00:00Z",
    devices=("cpu",),
    entries=(an_entry("images/gateway.tar"), an_entry("models/m/w", TWO, 6)),
    models=(),
    images=(),
    installer=Installer(digest=ONE, size=9),
)
MANIFEST = replace(
    BARE,
    models=(
        CarriedModel(
            ref="m", name="M", family="f", context_tokens=None, folder="models/m", digest=ONE
        ),
    ),
    images=(
        CarriedImage(service="gateway", tag="t:1", identity="sha256:x", path="images/gateway.tar"),
    ),
)


def parsed(*entries: Entry) -> Manifest:
    return manifests.parse(manifests.to_bytes(replace(BARE, entries=entries)))


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert manifests.parse(manifests.to_bytes(MANIFEST)) == MANIFEST


@pytest.mark.parametrize(
    "path",
    [
        "../escaped",
        "a/../../b",
        "a/./b",
        "/etc/passwd",
        "a//b",
        "a/",
        "",
        ".hidden",
        "a/.hidden",
        "-rf",
        "a\\b",
        "a\nb",
        "a\0b",
        "ä",
        "a b",
        "a:b",
        "a/" * 9 + "b",
        "x" * 241,
    ],
)
def test_no_path_leads_out_or_deceives(path: str) -> None:
    with pytest.raises(ManifestError):
        parsed(an_entry(path))


@pytest.mark.parametrize(
    "paths",
    [("a", "a"), ("b", "a"), ("A", "a"), ("a", "a/b"), ("A", "a/b")],
)
def test_entries_are_in_order_once_and_no_file_is_a_folder(paths: tuple[str, ...]) -> None:
    with pytest.raises(ManifestError):
        parsed(*(an_entry(each) for each in paths))


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.update(format=2),
        lambda found: found.update(product="other"),
        lambda found: found.update(more=1),
        lambda found: found.pop("entries"),
        lambda found: found.update(entries={}),
        lambda found: found.update(release="0.2"),
        lambda found: found.update(release="0.2.0/../.."),
        lambda found: found.update(schema_generation=-1),
        lambda found: found.update(schema_generation=True),
        lambda found: found.update(architecture="\x1b[2J"),
        lambda found: found.update(devices="cpu"),
        lambda found: found.update(models=[{}]),
        lambda found: found["entries"][0].update(sha256="x"),
        lambda found: found["entries"][0].update(size=6),
        lambda found: found["entries"][0].update(size=10**15),
        lambda found: found["entries"][0].update(chunks=[[ONE, 5, 1]]),
        lambda found: found["entries"][0].update(chunks=[[ONE, 0], [TWO, 5]]),
        lambda found: found["entries"][0].update(size=CHUNK_BYTES + 1),
        lambda found: found["entries"][1].update(sha256=ONE, chunks=[[ONE, 6]]),
        lambda found: found["models"][0].update(folder="models/x"),
        lambda found: found["models"][0].update(folder=".."),
        lambda found: found["models"][0].update(ref="../m"),
        lambda found: found["images"][0].update(path="images/x.tar"),
        lambda found: found["installer"].update(sha256="y"),
        lambda found: found["installer"].update(size=1.5),
    ],
)
def test_what_cannot_be_is_refused(change: Change) -> None:
    found = json.loads(manifests.to_bytes(MANIFEST))
    change(found)
    with pytest.raises(ManifestError):
        manifests.parse(json.dumps(found, indent=1, sort_keys=True).encode() + b"\n")


def test_a_chunk_is_eight_mebibytes_at_most() -> None:
    assert parsed(an_entry("a", size=CHUNK_BYTES)).entries[0].size == CHUNK_BYTES
    with pytest.raises(ManifestError, match="add up"):
        parsed(an_entry("a", size=CHUNK_BYTES + 1))


def test_a_million_entries_are_refused() -> None:
    found = json.loads(manifests.to_bytes(BARE))
    entry = found["entries"][0]
    found["entries"] = [entry] * 10**6
    with pytest.raises(ManifestError, match="more than 100000"):
        manifests._parse(found)


def test_there_is_one_way_to_write_a_manifest() -> None:
    text = manifests.to_bytes(MANIFEST)
    loose = json.dumps(json.loads(text)).encode()
    for other in (text + b"\n", text.replace(b" ", b"  ", 1), loose):
        with pytest.raises(ManifestError, match="one way"):
            manifests.parse(other)


def test_of_another_format_it_says_which_program_reads_it() -> None:
    text = manifests.to_bytes(MANIFEST).replace(b'"format": 1', b'"format": 2')
    with pytest.raises(ManifestError, match="the program that is in the bundle"):
        manifests.parse(text)


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_whatever_is_read_is_a_manifest_or_refused(text: bytes | str) -> None:
    with pytest.raises(ManifestError):
        manifests.parse(text.encode() if isinstance(text, str) else text)


def test_depth_is_refused() -> None:
    with pytest.raises(ManifestError):
        manifests.parse(b"[" * 10**6)


def test_releases_compare_by_number() -> None:
    assert manifests.version_of("0.10.0") > manifests.version_of("0.9.9")


def test_what_is_below_a_folder() -> None:
    assert [each.path for each in MANIFEST.below("models/m")] == ["models/m/w"]
    assert MANIFEST.below("models/") == ()
    with pytest.raises(ManifestError, match="lacks docs"):
        MANIFEST.entry("docs")
