"""`python -m install.slots.rehearsal`: the new release tried out beside the one that runs.

It migrates a copy of the database; as processes with SQLite it also starts its instance and gateway
over a copy of the home, and has them answer a question by the model that runs. The last line of its
output is JSON.
"""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from install import beside, bootstrap, config, local_work, status, weights
from install.config import Config
from install.errors import InstallError, NotInstalledError, SetUpCommandError
from install.places import Places
from install.slots import slot
from install.units import owner

DATABASE = Path("instance") / "casemate.db"
DATABASE_URL = "CASEMATE_DATABASE_URL"


def run(places: Places, settings: Config, *, own: Path) -> dict[str, Any]:
    """Tries out the release of the slot at `own`; what came of it.

    Raises:
        InstallError: the release would not come up here.
    """
    carried = slot.read(own)
    if settings.containers:
        from install.containers import rehearsing

        rehearsing.rehearse(places, settings, carried.images if carried else {})
        return {"migrated": True, "asked": False}
    python = own / "services" / "bin" / "python"
    migrated = _migrate_a_copy(places, settings, python)
    ready = [each.ref for each in status.read_models(places) if each.state == "ready"]
    database = places.home / DATABASE
    if DATABASE_URL in settings.handed_on or not ready or not database.exists():
        return {"migrated": migrated, "asked": False}
    scratch = Places(home=places.slots / "rehearsal", uid=places.uid)
    shutil.rmtree(scratch.home, ignore_errors=True)
    try:
        return {"migrated": migrated, "asked": _ask(places, scratch, settings, python=python)}
    finally:
        shutil.rmtree(scratch.home, ignore_errors=True)


def _ask(places: Places, scratch: Places, settings: Config, *, python: Path) -> bool:
    model = weights.chosen_model(places, settings)
    beside.copied_keys(places, scratch)
    copy_database(places.home / DATABASE, scratch.home / DATABASE)
    with beside.running(scratch, settings, model, python=python) as here:
        return bool(here.ask(model.ref).text)


def copy_database(source: Path, target: Path) -> None:
    """Copies an SQLite database that may be written to meanwhile."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
    target.chmod(0o600)


def _migrate_a_copy(places: Places, settings: Config, python: Path) -> bool:
    words = ["appliance", "database", "rehearse"]
    done = subprocess.run(
        [str(python), "-P", "-m", *words],
        env=local_work.environment(places, settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **owner.acting(settings),
    )
    if done.returncode != 0:
        raise SetUpCommandError(" ".join(words), " ".join(done.stderr.split())[-600:])
    return True


def main(own: Path | None = None) -> int:
    """Tries out the release that this program is of."""
    places = bootstrap.find_places()
    try:
        settings = config.load(places.config)
        if settings is None:
            raise NotInstalledError(places.home)
        found = run(places, settings, own=own or Path(sys.prefix).parent)
    except InstallError as error:
        print(json.dumps({"error": {"code": error.code, "message": error.sentence}}))
        return error.exit_code
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
