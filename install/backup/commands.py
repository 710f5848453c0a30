"""`casemate backup` and `casemate restore`."""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from install import bootstrap, config, locking
from install.backup import making, passphrases, schedule, trial
from install.backup.errors import BackupError
from install.backup.restoring import Restore
from install.backup.schedule import Unwritten
from install.config import Config
from install.errors import NotInstalledError, SettingError
from install.places import Places
from install.progress import complain
from install.summary import program_of

VARIABLE = "CASEMATE_BACKUP_PASSPHRASE_FILE"
NEWEST = "-"
# How often a machine's own clock looks whether a backup is due, as cron writes it.
CRON_TIME = "*/15 * * * *"


class _Words(TyperGroup):
    """Lets `--test` stand without a file, for the newest backup."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        spot = args.index("--test") + 1 if "--test" in args else 0
        if spot and (spot == len(args) or args[spot].startswith("--")):
            args = [*args[:spot], NEWEST, *args[spot:]]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_Words, invoke_without_command=True)
by_clock = typer.Typer(invoke_without_command=True)
app.add_typer(by_clock, name="schedule", help="Backups by the clock: --every ..., show, off.")
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", metavar="FILE", help="Its first line; mode 0600."),
]


@app.callback()
def backup(
    context: typer.Context,
    *,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR|FILE", help="Default: the home's folder backups."),
    ] = None,
    passphrase_file: PassphraseFile = None,
    test: Annotated[
        str | None,
        typer.Option("--test", metavar="FILE", help="Try this one, or the newest."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write everything that no bundle holds into one encrypted file, while all runs."""
    if context.invoked_subcommand is not None:
        return
    places, settings = _here()
    passphrase = _passphrase(places, passphrase_file, twice=test is None)
    if test is not None:
        _try(places, settings, _named(places, test), passphrase=passphrase, as_json=as_json)
        return
    made = making.make(places, settings, passphrase, to=to, now=datetime.now(UTC))
    if as_json:
        print(json.dumps(made.as_dict()))
        return
    print(f"{made.path}  {made.size_bytes} bytes")
    bundle = made.facts["bundle"]
    if bundle:
        print(f"Programs and models are not in it: keep the bundle {bundle[:12]} beside it.")
    for line in made.warnings:
        complain(line)


def _try(places: Places, settings: Config, path: Path, *, passphrase: bytes, as_json: bool) -> None:
    tried = trial.run(places, settings, path, passphrase=passphrase, say=_say)
    if as_json:
        print(json.dumps(tried.as_dict()))
    else:
        print(f"{path} can be restored here: {tried.answer}")


@app.command(name="list")
def list_backups(
    *,
    folder: Annotated[
        Path | None, typer.Option("--in", metavar="DIR", help="Default: where they go.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The backups there are, newest first."""
    places, _ = _here()
    told = schedule.read(places)
    found = making.listed(folder or (Path(told.to) if told else places.backups))
    if as_json:
        print(json.dumps([each.as_dict() for each in found]))
        return
    for each in found:
        print(f"{each.made_at}  {each.size_bytes:>12}  {each.release}  {each.path}")
    if not found:
        print("There is none.")


@by_clock.callback()
def plan(
    context: typer.Context,
    *,
    every: Annotated[str, typer.Option(help="Such as 24h, 90m or 7d.")] = "24h",
    keep: Annotated[int, typer.Option(min=1, max=1000, help="How many stay.")] = 7,
    to: Annotated[Path | None, typer.Option("--to", metavar="DIR")] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Have a backup made again and again, and the oldest removed."""
    if context.invoked_subcommand is not None:
        return
    places, settings = _here()
    file = passphrase_file or _remembered(places)
    if file is None:
        sentence = f"What is done by the clock needs --passphrase-file FILE, or {VARIABLE}."
        raise SettingError(sentence)
    passphrases.from_file(file)
    told = schedule.Schedule(
        every_s=int(schedule.every(every).total_seconds()),
        keep=keep,
        to=str((to or places.backups).absolute()),
        passphrase_file=str(file.absolute()),
    )
    schedule.write(places, told)
    begins = "have this machine's clock run it:" if settings.containers else "`casemate up` begins."
    print(f"A backup every {every} into {told.to}, {keep} are kept; {begins}")
    if settings.containers:
        print(
            f"{CRON_TIME} {shlex.quote(program_of(str(places.home)))} backup schedule run --quiet"
        )


@by_clock.command()
def run(
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="No word unless it fails.")] = False,
) -> None:
    """Make the backup if it is due; for the machine's clock, where containers run."""
    places, _ = _here()
    if schedule.read(places) is None:
        sentence = "Nothing is scheduled; `casemate backup schedule --every 24h` changes that."
        raise SettingError(sentence)
    unwritten = Unwritten()
    line = schedule.look(places, now=datetime.now(UTC), unwritten=unwritten)
    if unwritten.tried_at or line.startswith(schedule.NOT_MADE):
        raise BackupError(line)
    if not quiet:
        print(line or "None is due yet.")


@by_clock.command()
def show(*, as_json: AsJson = False) -> None:
    """What is done by the clock, and how it went last."""
    places, _ = _here()
    told = schedule.read(places)
    due = schedule.due_at(told) if told else None
    if as_json:
        facts: dict[str, Any] = {"scheduled": told is not None}
        if told:
            facts |= {name: getattr(told, name) for name in told.__dataclass_fields__}
            facts["due_at"] = due.isoformat() if due else None
        print(json.dumps(facts))
    elif told is None:
        print(
            "Nothing; `casemate backup schedule --every 24h --passphrase-file FILE` changes that."
        )
    else:
        when = f"{due:%Y-%m-%d %H:%M} UTC" if due else "soon"
        print(f"every {told.every_s // 60} min into {told.to}, {told.keep} are kept; next {when}")
        if told.failed:
            complain(f"The last one failed: {told.failed}")


@by_clock.command()
def off() -> None:
    """Make no more by the clock; those there are stay."""
    places, _ = _here()
    print("off" if schedule.switch_off(places) else "Nothing was scheduled.")


def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    *,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of what is here; what is revoked meanwhile stays revoked."""
    places = bootstrap.find_places()
    if not (places.services / "bin" / "python").exists():
        raise NotInstalledError(places.home)
    passphrase = _passphrase(places, passphrase_file, twice=False)
    with _lock(places) as lock:
        done = Restore(places=places, lock=lock, say=_say).run(file.absolute(), passphrase)
    if as_json:
        print(json.dumps(done.as_dict()))
        return
    print(f"Restored as of {done.facts['made_at']}; everybody's access tokens are renewed.")
    if done.answer:
        print(done.answer)


@contextmanager
def _lock(places: Places) -> Iterator[int]:
    lock = locking.take(places)
    try:
        yield lock
    finally:
        os.close(lock)


def _here() -> tuple[Places, Config]:
    places = bootstrap.find_places()
    settings = config.load(places.config)
    if settings is None:
        raise NotInstalledError(places.home)
    return places, settings


def _named(places: Places, text: str) -> Path:
    if text != NEWEST:
        return Path(text).absolute()
    told = schedule.read(places)
    found = making.listed(Path(told.to) if told else places.backups)
    if not found:
        sentence = "There is no backup yet; `casemate backup` makes one."
        raise SettingError(sentence)
    return found[0].path


def _passphrase(places: Places, file: Path | None, *, twice: bool) -> bytes:
    file = file or _remembered(places)
    return passphrases.from_file(file) if file else passphrases.from_terminal(twice=twice)


def _remembered(places: Places) -> Path | None:
    told = os.environ.get(VARIABLE)
    if told:
        return Path(told).expanduser()
    planned = schedule.read(places)
    return Path(planned.passphrase_file) if planned else None


def _say(line: str) -> None:
    if line:
        print(line, file=sys.stderr)
