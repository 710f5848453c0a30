"""Images that a bundle carries: looked through in the bundle, then handed to the engine from there.

Runs on Python 3.9 and on the standard library, as what checks a bundle does.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from install.bundle.manifest import CarriedImage, Entry
from install.bundle.opened import Bundle, OnBytes
from install.containers.engine import Engine
from install.containers.errors import DiskFullError, ImageLoadError, ImageRefusedError
from install.containers.exported import Exported, examine

NO_SPACE = "no space left on device"
# An engine with this store names an image by the digest of something that it writes itself.
OTHER_STORE = "io.containerd.snapshotter"
LONGEST = 400


@dataclass(frozen=True)
class Loader:
    """Makes an engine have images of an open bundle; `on_bytes` hears how far it is."""

    bundle: Bundle
    engine: Engine
    on_bytes: OnBytes

    def put_in(self, image: CarriedImage) -> None:
        """Makes the engine have it under its tag; one that is there already is left alone.

        Nothing of it is written to the disk on the way.

        Raises:
            ImageRefusedError: it is not what the manifest says.
            ImageLoadError: the engine did not take it.
            DiskFullError: the engine's disk is full.
            DamagedError: a chunk of it is not what the manifest lists.
        """
        entry = self.bundle.manifest.entry(image.path)
        found = examine(image.service, self.bundle.contents(entry))
        _check(image, found)
        if self._is_there(image, found):
            self.on_bytes(entry.size)
            return
        self._load(image, entry)
        if not self._is_there(image, found):
            raise ImageLoadError(image.service, f"{image.tag} is another image there")

    def _is_there(self, image: CarriedImage, found: Exported) -> bool:
        there = look(image.tag, self.engine)
        if there is None:
            return False
        if OTHER_STORE in str(self.engine.facts.get("DriverStatus")):
            return tuple(there["RootFS"].get("Layers") or ()) == found.layers
        return bool(there["Id"] == found.identity)

    def _load(self, image: CarriedImage, entry: Entry) -> None:
        reading, writing = os.pipe()
        # In a session of its own, Ctrl-C reaches this program alone; the engine takes nothing of a
        # file that ends too early.
        with subprocess.Popen(
            ["docker", "load", "--quiet"],  # noqa: S607  # found in the admin's own PATH
            env=_environment(self.engine),
            stdin=reading,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            os.close(reading)
            try:
                # What the client says of a pipe that it closed is read below.
                with suppress(BrokenPipeError), os.fdopen(writing, "wb") as sink:
                    for content in self.bundle.contents(entry, self.on_bytes):
                        sink.write(content)
            except BaseException:
                process.kill()
                raise
            out, _ = process.communicate()
        said = " ".join(out.decode("utf-8", "replace").split())[-LONGEST:]
        if NO_SPACE in said:
            sentence = f"The engine's disk ran full while it took the image of the {image.service}."
            raise DiskFullError(sentence)
        if process.returncode != 0:
            raise ImageLoadError(image.service, said)


def _check(image: CarriedImage, found: Exported) -> None:
    for said, is_ in ((image.tag, found.tag), (image.identity, found.identity)):
        if said != is_:
            raise ImageRefusedError(image.service, f"is {is_}, and the manifest says {said}")


def look(name: str, engine: Engine) -> Mapping[str, Any] | None:
    """What the engine says of an image; None when it has none of that name."""
    done = docker(engine, "image", "inspect", "--format", "{{json .}}", name)
    if done.returncode != 0:
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def docker(engine: Engine, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of the engine's client to its end."""
    return subprocess.run(
        ["docker", *words],  # noqa: S607  # found in the admin's own PATH
        env=_environment(engine),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _environment(engine: Engine) -> dict[str, str]:
    return {**os.environ, "DOCKER_HOST": engine.address}
