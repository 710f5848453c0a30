"""Small signed bundles, and keys to sign them with."""

import atexit
import io
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from install.bundle import signers, writing
from install.bundle.manifest import CarriedImage, CarriedModel, Manifest
from install.bundle.signers import SigningKey

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LONG_HENCE = datetime(2090, 1, 1, tzinfo=UTC)


def a_signing_key(
    folder: Path,
    *,
    name: str = "Example Maker",
    not_before: datetime = LONG_AGO,
    expires: datetime = LONG_HENCE,
    after: SigningKey | None = None,
) -> SigningKey:
    """A new key in a folder that is not there yet."""
    return signers.make(folder, name=name, not_before=not_before, expires=expires, after=after)


@cache
def the_signing_key() -> SigningKey:
    """One key for all tests of a process; its time is long."""
    folder = Path(tempfile.mkdtemp(prefix="casemate-signing-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return a_signing_key(folder / "key")


def an_installer(program: str = "print('an installer')\n") -> bytes:
    """A program that Python runs behind whatever comes before it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(zipfile.ZipInfo("__main__.py", (1980, 1, 1, 0, 0, 0)), program)
    return content.getvalue()


def a_bundle(
    path: Path,
    contents: Mapping[str, bytes],
    *,
    signing: SigningKey | None = None,
    release: str = "0.2.0",
    schema_generation: int = 1,
    devices: Sequence[str] = ("cpu",),
    models: Sequence[CarriedModel] = (),
    images: Sequence[CarriedImage] = (),
    installer: bytes | None = None,
) -> Path:
    """Writes a bundle with these contents by their paths in it."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        sources = {}
        for inside, content in contents.items():
            sources[inside] = Path(folder) / inside
            sources[inside].parent.mkdir(parents=True, exist_ok=True)
            sources[inside].write_bytes(content)
        program = Path(folder) / "the installer"
        program.write_bytes(an_installer() if installer is None else installer)
        manifest = Manifest(
            release=release,
            schema_generation=schema_generation,
            architecture="x86_64",
            python="3.11",
            made_at="2026-10-01T00:00:00Z",
            devices=tuple(devices),
            entries=writing.describe(sources),
            models=tuple(models),
            images=tuple(images),
            installer=writing.describe_installer(program),
        )
        key = signing or the_signing_key()
        writing.write(path, manifest, sources, installer=program, signing=key)
    return path
