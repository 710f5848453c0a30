"""`casemate backup --test`: a backup restored beside what runs, and asked a question."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from install import beside, status, weights
from install.backup import databases, parts
from install.backup.errors import BackupError
from install.backup.making import alone
from install.config import Config
from install.errors import NotReadyError
from install.places import Places, make_folders

Say = Callable[[str], None]
# As the folder of a backup: what a trial that was killed leaves, the next backup removes.
SCRATCH = ".backup-test"
MOVED = ("keys", "credentials", "gateway", "model_server")
IN_CONTAINERS = "as containers only the database is tried, not a question"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What the trial of a backup came to; `not_asked` says why no question was asked."""

    file: str
    facts: dict[str, Any]
    database: dict[str, Any]
    answer: str
    not_asked: str | None

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def run(
    places: Places,
    settings: Config,
    path: Path,
    *,
    passphrase: bytes,
    say: Say = lambda _line: None,
) -> Tried:
    """Restores into a home of a moment, starts what it takes there, asks, and removes it all.

    Raises:
        InstallError: the backup is not one that could be restored here, or another one is at work.
    """
    try:
        with alone(places):
            return _run(places, settings, path, passphrase=passphrase, say=say)
    except OSError as cause:
        sentence = f"{path} could not be tried: {cause}."
        raise BackupError(sentence) from cause


def _run(places: Places, settings: Config, path: Path, *, passphrase: bytes, say: Say) -> Tried:
    scratch = Places(home=places.home / SCRATCH, uid=places.uid)
    shutil.rmtree(scratch.home, ignore_errors=True)
    try:
        say("reading the backup")
        unpacked = parts.unpack(path, passphrase, scratch.home / "unpacked")
        make_folders(scratch)
        _fill(scratch, unpacked.files)
        say("restoring its database beside the one in use")
        database = databases.restore_beside(places, scratch, unpacked.snapshot)
        is_asked = not settings.containers
        answer = _ask(places, scratch, settings, say=say) if is_asked else ""
        return Tried(
            file=str(path),
            facts=dict(unpacked.facts),
            database=database,
            answer=answer,
            not_asked=None if is_asked else IN_CONTAINERS,
        )
    finally:
        shutil.rmtree(scratch.home, ignore_errors=True)


def _fill(scratch: Places, files: Path) -> None:
    for name in MOVED:
        for path in sorted((files / name).rglob("*")):
            if path.is_file():
                target = scratch.home / path.relative_to(files)
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.replace(target)


def _ask(places: Places, scratch: Places, settings: Config, *, say: Say) -> str:
    if not any(each.state == "ready" for each in status.read_models(places)):
        sentence = (
            "The backup is whole and its database restored well, but no model runs here that could "
            "be asked; `casemate up` starts one."
        )
        raise NotReadyError(sentence)
    model = weights.chosen_model(places, settings)
    say("asking it a question, by the model that runs")
    python = places.services / "bin" / "python"
    with beside.running(scratch, settings, model, python=python) as here:
        return here.ask(model.ref).text
