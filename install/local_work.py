"""The instance's own commands, run where its database is, whether it answers or not.

`python -P -m install.local_work WORDS` hands standard input and output through.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

from install import services
from install.config import Config
from install.places import Places
from install.processes import RUN_MARK
from install.units import owner


def run(places: Places, settings: Config, words: Sequence[str]) -> int:
    """Runs `python -m appliance WORDS` on this terminal; returns its exit code.

    Raises:
        InstallError: it cannot be run as things stand.
    """
    if settings.containers:
        from install.containers import operating

        return operating.run_on_instance(places, settings, words)
    command = [str(places.services / "bin" / "python"), "-P", "-m", "appliance"]
    done = subprocess.run(
        [*command, *words],
        env=environment(places, settings),
        check=False,
        **owner.acting(settings),
    )
    return done.returncode


def environment(places: Places, settings: Config) -> dict[str, str]:
    """What the instance's own commands find in their environment."""
    own = services.environment_of(places, settings, services.INSTANCE)
    own.pop(RUN_MARK)
    return {**services.base_environment(os.environ), **own}


if __name__ == "__main__":
    from install.bootstrap import find_places
    from install.config import load

    HERE = find_places()
    sys.exit(run(HERE, load(HERE.config) or Config(), sys.argv[1:]))
