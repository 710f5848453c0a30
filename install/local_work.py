"""The instance's own commands, run where its database is, whether it answers or not."""

import os
import subprocess
from collections.abc import Sequence

from install import services
from install.config import Config
from install.places import Places
from install.processes import RUN_MARK


def run(places: Places, settings: Config, words: Sequence[str]) -> int:
    """Runs `python -m appliance WORDS` on this terminal; returns its exit code.

    Raises:
        InstallError: it cannot be run as things stand.
    """
    if settings.containers:
        from install.containers import operating

        return operating.run_on_instance(places, settings, words)
    environment = services.environment_of(places, settings, services.INSTANCE)
    environment.pop(RUN_MARK)
    command = [str(places.services / "bin" / "python"), "-P", "-m", "appliance"]
    done = subprocess.run(
        [*command, *words],
        env={**services.base_environment(os.environ), **environment},
        check=False,
    )
    return done.returncode
