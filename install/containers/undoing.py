"""Takes down what a failed or interrupted run started, until nothing more of it appears."""

from collections.abc import Collection
from dataclasses import dataclass, field

from install.containers import operating
from install.containers.project import Project
from install.containers.states import Containers
from install.readiness import Clock

# The engine finishes what the plugin had asked of it, also when the plugin was ended meanwhile: a
# container or a network may appear after everything was taken down.
SETTLED_S = 2.0
PATIENCE_S = 30.0
POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """Undoes one run; the services that `ran` before go on."""

    project: Project
    containers: Containers
    ran: Collection[str]
    clock: Clock = field(default_factory=Clock)

    def undo(self) -> None:
        """Returns when nothing new has come for a while.

        Raises:
            InstallError: the engine or the plugin failed.
        """
        quiet_since = self.clock.now()
        until = quiet_since + PATIENCE_S
        while True:
            if self._take_down_new():
                quiet_since = self.clock.now()
            if self.clock.now() >= min(until, quiet_since + SETTLED_S):
                break
            self.clock.sleep(POLL_S)
        if not self.ran:
            # Networks may have been made for containers that never came.
            operating.take_down(self.project, self.containers)

    def _take_down_new(self) -> bool:
        self.containers.remove_one_offs()
        new = [name for name in self.containers.services() if name not in self.ran]
        if new and self.ran:
            self.project.run("rm", "--stop", "--force", *new)
        elif new:
            operating.take_down(self.project, self.containers)
        return bool(new)
