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
from install.status import ModelState
from install.weights import Model

Say = Callable[[str], None]
MOVED = ("keys", "credentials", "gateway", "model_server", "containers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What the trial of a backup came to."""

    file: str
    facts: dict[str, Any]
    database: dict[str, Any]
    answer: str

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
    scratch = Places(home=places.trial, uid=places.uid)
    shutil.rmtree(scratch.home, ignore_errors=True)
    try:
        say("reading the backup")
        unpacked = parts.unpack(path, passphrase, scratch.home / "unpacked")
        parts.check_kind(unpacked, containers=settings.containers)
        make_folders(scratch)
        _fill(scratch, unpacked.files)
        say("restoring its database beside the one in use")
        do = _as_containers if settings.containers else _as_processes
        database, answer = do(places, scratch, settings, snapshot=unpacked.snapshot, say=say)
        return Tried(file=str(path), facts=dict(unpacked.facts), database=database, answer=answer)
    finally:
        shutil.rmtree(scratch.home, ignore_errors=True)


def _fill(scratch: Places, files: Path) -> None:
    for name in MOVED:
        for path in sorted((files / name).rglob("*")):
            if path.is_file():
                target = scratch.home / path.relative_to(files)
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.replace(target)


def _as_processes(
    places: Places, scratch: Places, settings: Config, *, snapshot: Path, say: Say
) -> tuple[dict[str, Any], str]:
    database = databases.restore_beside(places, scratch, snapshot)
    model = _asked(places, settings, models=status.read_models(places), say=say)
    python = places.services / "bin" / "python"
    with beside.running(scratch, settings, model, python=python) as here:
        return database, here.ask(model.ref).text


def _as_containers(
    places: Places, scratch: Places, settings: Config, *, snapshot: Path, say: Say
) -> tuple[dict[str, Any], str]:
    from install.containers import beside as containers_beside
    from install.containers import operating

    with containers_beside.made(places, settings, scratch) as here:
        database = databases.restore(scratch, here.settings, snapshot)
        model = _asked(places, settings, models=operating.look(places, settings).models, say=say)
        return database, here.ask(model)


def _asked(places: Places, settings: Config, *, models: tuple[ModelState, ...], say: Say) -> Model:
    if not any(each.state == "ready" for each in models):
        sentence = (
            "The backup is whole and its database restored well, but no model runs here that could "
            "be asked; `casemate up` starts one."
        )
        raise NotReadyError(sentence)
    say("asking it a question, by the model that runs")
    return weights.chosen_model(places, settings)
