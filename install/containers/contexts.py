"""What an image is made from: the files that its Dockerfile copies, as a stream for the engine."""

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from install import environments
from install.containers.errors import BuildError

BLOCK_BYTES = 1 << 20
WHEELS = "wheels"
DOCKERFILE = "Dockerfile"
FILE_MODE = 0o644

# The files of each folder below `wheels`.
Wheels = Mapping[str, Sequence[Path]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One image: its Dockerfile, which names paths below `root`, and its build arguments.

    `locks` are the hashed lists of the wheels that it installs, by the folder of the context that
    they lie in below `wheels`.
    """

    service: str
    root: Path
    dockerfile: Path
    locks: Mapping[str, Path]
    arguments: Mapping[str, str]

    def digest(self, base_id: str) -> str:
        """Changes when the image has to be built anew; `base_id` is the base image's own digest."""
        total = hashlib.sha256()
        for name, path in self.sources():
            total.update(f"{name}\0{environments.digest(path)}\n".encode())
        # Locks carry the digest of each wheel.
        for name, lock in sorted(self.locks.items()):
            total.update(f"{name}\0{environments.digest(lock)}\n".encode())
        total.update(json.dumps([base_id, sorted(self.arguments.items())]).encode())
        return total.hexdigest()

    def sources(self) -> list[tuple[str, Path]]:
        """(name in the context, file) of all that is copied, wheels aside, the Dockerfile first."""
        found = {}
        for word in copied(self.dockerfile.read_text("utf-8")):
            place = self.root / word
            if word == WHEELS or word.startswith(f"{WHEELS}/"):
                continue
            if not place.exists():
                raise BuildError(self.service, f"{word}, which it is made from, is missing.")
            for path in [place] if place.is_file() else sorted(place.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    found[str(path.relative_to(self.root))] = path
        return [(DOCKERFILE, self.dockerfile), *sorted(found.items())]

    def context(self, wheels: Wheels, *, labels: Mapping[str, str]) -> Iterator[bytes]:
        """The build context as a tar archive, without owners and times.

        Every stage gets the labels.
        """
        inside = [
            (f"{WHEELS}/{folder}/{path.name}", path)
            for folder, paths in sorted(wheels.items())
            for path in paths
        ]
        text = labelled(self.dockerfile.read_text("utf-8"), labels).encode()
        yield header(DOCKERFILE, len(text)) + text + padding(len(text))
        yield from archive([*self.sources()[1:], *inside])


def copied(dockerfile: str) -> list[str]:
    """What a Dockerfile copies from its context, in order; whole folders without the last `/`."""
    found = []
    for line in dockerfile.replace("\\\n", " ").splitlines():
        words = line.split()
        if not words or words[0].upper() != "COPY":
            continue
        if any(word.startswith("--from=") for word in words):
            continue
        plain = [word for word in words[1:] if not word.startswith("--")]
        found += [word.rstrip("/") for word in plain[:-1]]
    return list(dict.fromkeys(found))


def labelled(dockerfile: str, labels: Mapping[str, str]) -> str:
    """The Dockerfile with the labels set at the start of each stage."""
    words = " ".join(f"{name}={value}" for name, value in labels.items())
    return re.sub(r"(?im)^(FROM .*)$", rf"\1\nLABEL {words}", dockerfile)


def archive(files: Sequence[tuple[str, Path]]) -> Iterator[bytes]:
    """A tar archive of the files, read while it is sent: a context may be gigabytes."""
    for name, path in files:
        length = path.stat().st_size
        yield header(name, length)
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                yield block
        yield padding(length)
    yield bytes(2 * tarfile.BLOCKSIZE)


def header(name: str, length: int) -> bytes:
    """What stands before a file in a tar archive; everybody may read it."""
    about = tarfile.TarInfo(name)
    about.size = length
    about.mode = FILE_MODE
    # Of the formats the one that has room for a layer of any size in this one block.
    return about.tobuf(tarfile.GNU_FORMAT)


def padding(length: int) -> bytes:
    """What fills up a file's last block."""
    return bytes(-length % tarfile.BLOCKSIZE)
