"""Removes what builds leave in the engine: earlier stages, or all of one that was broken off.

Every stage of a build carries a label that says which home builds it, so that what is found by it
is ours, also after a run that was killed.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import docker
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

LABEL = "casemate.built-for"
CONFLICT = 409
NOT_FOUND = 404
# The engine ends a build that nobody listens to any more, but not at once; what it still adds after
# that, the next run removes.
SETTLED_S = 2.0
PATIENCE_S = 15.0
POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """Removes what carries the label of `home` and has no name."""

    client: docker.DockerClient
    home: str
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def sweep(self) -> int:
        """Removes what is there; returns how much it was."""
        label = {"label": f"{LABEL}={self.home}"}
        count = 0
        for container in self.client.api.containers(all=True, filters=label):
            # A service's container has the label from its image.
            if not _is_of_compose(container["Labels"]):
                count += self._try(
                    lambda each: self.client.api.remove_container(each, force=True), container["Id"]
                )
        while found := self._remove_images({**label, "dangling": True}):
            count += found
        return count

    def after_failure(self) -> None:
        """Sweeps until nothing more comes for a while; an engine that is away is left alone."""
        with suppress(DockerException, RequestException):
            self._sweep_until_settled()

    def _sweep_until_settled(self) -> None:
        until = self.clock() + PATIENCE_S
        quiet_since = self.clock()
        while True:
            if self.sweep():
                quiet_since = self.clock()
            if self.clock() >= min(until, quiet_since + SETTLED_S):
                return
            self.sleep(POLL_S)

    def _remove_images(self, filters: dict[str, str | bool]) -> int:
        found = self.client.api.images(filters=filters)
        return sum(
            self._try(lambda each: self.client.api.remove_image(each, noprune=True), image["Id"])
            for image in found
        )

    def _try(self, remove: Callable[[str], object], identity: str) -> bool:
        try:
            remove(identity)
        except APIError as cause:
            # In use, or gone together with something else.
            if cause.status_code not in {CONFLICT, NOT_FOUND}:
                raise
            return False
        return True


def _is_of_compose(labels: dict[str, str] | None) -> bool:
    return any(label.startswith("com.docker.compose.") for label in labels or ())
