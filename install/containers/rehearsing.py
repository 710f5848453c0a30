"""Tries a new release's image on the live database, before anything that runs is touched."""

import os
from collections.abc import Mapping

from install.config import Config
from install.containers import engine as engines
from install.containers.moment import Moment
from install.errors import SetUpCommandError
from install.places import Places
from install.services import INSTANCE

WORDS = ("database", "rehearse")
COMMAND = "appliance database rehearse"
LONGEST = 600


def rehearse(places: Places, config: Config, tags: Mapping[str, str]) -> None:
    """Has the instance's new image migrate a copy of the database; no data is no work.

    Raises:
        SetUpCommandError: the migration would fail.
        InstallError: the engine cannot be used.
    """
    engine = engines.find(os.environ)
    moment = Moment(places=places, config=config, engine=engine, image=tags[INSTANCE])
    if not moment.has_data:
        return
    done = moment.run(WORDS)
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())[-LONGEST:]
        raise SetUpCommandError(COMMAND, said)
