"""The images: found by what they were made from, else built without a network."""

import re
import shutil
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from install.containers.client import said, translated
from install.containers.contexts import Recipe, Wheels
from install.containers.errors import BuildError, DiskFullError, ImageMissingError
from install.containers.leftovers import CONFLICT, LABEL, NOT_FOUND, Sweeper
from install.errors import InstallError, InterruptError
from install.progress import size
from install.release import release

REPOSITORY = "casemate"
MADE_FROM = "casemate.made-from"
NO_SPACE = "no space left on device"
# With less, a broken connection during a build means a full disk.
FULL_BYTES = 50_000_000

LONGEST_STEP = 60

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An image that there should be: its tag says what it is made from."""

    recipe: Recipe
    base: str
    made_from: str

    @property
    def tag(self) -> str:
        """Its name in the engine."""
        version = re.sub(r"[^A-Za-z0-9_.-]", "-", release())
        return f"{REPOSITORY}/{self.recipe.service}:{version}-{self.made_from[:12]}"


class Images:
    """The engine's images, as far as this home is concerned."""

    def __init__(self, client: docker.DockerClient, *, root_folder: Path, home: str) -> None:
        self._client = client
        self._home = home
        self._sweeper = Sweeper(client=client, home=home)
        # Where the engine keeps its data; in a virtual machine's engine no folder of this machine.
        self._root_folder = root_folder

    def base_id(self, name: str, say: Say, *, remembered: str | None) -> str:
        """The digest of the base image, pulled when it is not here.

        `remembered` is the one that images were built on before; it is enough where nothing is to
        be built, so a machine that lost the base image and has no way out still starts.

        Raises:
            ImageMissingError: it is not here and cannot be pulled.
        """
        found = self.id_of(name)
        if found is None and remembered is None:
            self.pull(name, say)
            found = self.id_of(name)
        return found or remembered or ""

    def id_of(self, name: str) -> str | None:
        """The digest of an image that is here."""
        with translated():
            try:
                return str(self._client.images.get(name).id)
            except ImageNotFound:
                return None

    def pull(self, name: str, say: Say) -> None:
        """Gets an image from its registry.

        Raises:
            ImageMissingError: with the engine's reason.
            DiskFullError: it does not fit.
        """
        say(f"pulling {name}")
        try:
            self._client.images.pull(name)
        except (DockerException, RequestException) as cause:
            reason = said(cause)
            if NO_SPACE in reason:
                raise DiskFullError(_full(self._root_folder)) from cause
            raise ImageMissingError(name, reason) from cause

    def check_room(self, needed_bytes: int) -> None:
        """Passes when the engine's disk has room for what is to be built.

        Raises:
            DiskFullError: it has not.
        """
        free = self._free_bytes()
        if free is not None and free < needed_bytes:
            sentence = (
                f"The engine's folder {self._root_folder} has {size(free)} free, about "
                f"{size(needed_bytes)} are needed to build the images."
            )
            raise DiskFullError(sentence)

    def _free_bytes(self) -> int | None:
        try:
            return shutil.disk_usage(self._root_folder).free
        except OSError:
            return None

    def sweep(self) -> None:
        """Removes what builds for this home left that were killed."""
        with translated():
            self._sweeper.sweep()

    def build(self, wanted: Wanted, wheels: Wheels, say: Say) -> None:
        """Builds one image; whatever a failed or interrupted build left is removed again.

        Raises:
            BuildError: with the last of what the build said.
            DiskFullError: the disk ran full.
        """
        if self.id_of(wanted.base) is None:
            self.pull(wanted.base, say)
        log = BuildLog(say)
        try:
            for line in self._lines(wanted, wheels):
                log.take(line)
        except (DockerException, RequestException) as cause:
            failure = self._failure(wanted, said(cause))
            self._sweeper.after_failure()
            raise failure from cause
        except (InstallError, InterruptError):
            self._sweeper.after_failure()
            raise
        if log.error is not None:
            failure = self._failure(wanted, log.error)
            self._sweeper.after_failure()
            raise failure
        self._sweeper.sweep()

    def _lines(self, wanted: Wanted, wheels: Wheels) -> Iterator[dict[str, Any]]:
        lines: Iterator[dict[str, Any]] = self._client.api.build(
            fileobj=wanted.recipe.context(wheels, labels={LABEL: self._home}),
            custom_context=True,
            tag=wanted.tag,
            buildargs={**wanted.recipe.arguments, "BASE_IMAGE": wanted.base},
            labels={MADE_FROM: wanted.made_from},
            network_mode="none",
            rm=True,
            forcerm=True,
            decode=True,
            use_config_proxy=False,
        )
        return lines

    def _failure(self, wanted: Wanted, said: str) -> InstallError:
        free = self._free_bytes()
        if NO_SPACE in said or (free is not None and free < FULL_BYTES):
            return DiskFullError(_full(self._root_folder))
        return BuildError(wanted.recipe.service, said)

    def forget_all_but(self, tags: Collection[str]) -> None:
        """Removes the images that were built for this home and are not used by it any more."""
        label = {"label": f"{LABEL}={self._home}"}
        with translated():
            for image in self._client.api.images(filters=label):
                for tag in image["RepoTags"] or ():
                    if tag.startswith(f"{REPOSITORY}/") and tag not in tags:
                        self._forget(tag)

    def _forget(self, tag: str) -> None:
        try:
            self._client.images.remove(tag)
        except APIError as cause:
            # Another home's container may run it.
            if cause.status_code not in {CONFLICT, NOT_FOUND}:
                raise


@dataclass(slots=True)
class BuildLog:
    """What a build says: its steps as they come, its last lines, its error."""

    say: Say
    error: str | None = None
    _last: deque[str] = field(default_factory=lambda: deque(maxlen=8))

    def take(self, line: Mapping[str, Any]) -> None:
        """Takes in one object of the engine's answer."""
        text = str(line.get("stream") or "").strip()
        if text.startswith("Step "):
            self.say(text[:LONGEST_STEP])
        elif text:
            self._last.append(text)
        if "error" in line:
            told = [each for each in self._last if "rror" in each]
            self.error = " ".join([*told, str(line["error"])])[-600:]


def _full(folder: Path) -> str:
    return (
        f"The disk of the engine's folder {folder} ran full; what was half made is removed. Make "
        "room (`docker system df` shows what takes it) and run it again."
    )
