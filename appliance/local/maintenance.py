"""The `database` commands of `python -m appliance`, which say what they found as JSON."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.local import database
from appliance.settings import Settings

BROKEN_EXIT = 1
STREAM = Path("-")
Command = Callable[[Settings, argparse.Namespace], int | None]


def add_to(commands: Any) -> None:
    """Adds them to the program's commands."""
    parser = commands.add_parser("database", help="the database's form, and copies of it")
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    generation = actions.add_parser("generation", help="the form known here, and the database's")
    generation.set_defaults(command=_says(lambda settings, _: database.generation(settings)))

    rehearse = actions.add_parser("rehearse", help="try the migrations on a copy")
    rehearse.set_defaults(command=_says(lambda settings, _: database.rehearse(settings)))

    check = actions.add_parser("check", help="look whether it is whole; exit 1 if it is not")
    check.set_defaults(command=_check)

    snapshot = actions.add_parser("snapshot", help="write all that it holds into one new file")
    snapshot.add_argument("file", type=Path, help="- writes it to standard output")
    snapshot.set_defaults(command=_snapshot)

    restore = actions.add_parser("restore", help="put a snapshot in its place")
    restore.add_argument("file", type=Path, help="- reads it from standard input")
    restore.add_argument(
        "--as-it-was",
        action="store_true",
        help="nothing is merged or checked: takes a restore back",
    )
    restore.set_defaults(command=_restore)


def _says(work: Callable[[Settings, argparse.Namespace], dict[str, Any]]) -> Command:
    def command(settings: Settings, arguments: argparse.Namespace) -> None:
        _tell(work(settings, arguments))

    return command


def _check(settings: Settings, _: argparse.Namespace) -> int:
    found = database.check(settings)
    _tell(found)
    return 0 if found["ok"] else BROKEN_EXIT


def _snapshot(settings: Settings, arguments: argparse.Namespace) -> None:
    if arguments.file != STREAM:
        _tell(database.snapshot(settings, arguments.file))
        return
    with _scratch(settings) as file:
        database.snapshot(settings, file)
        with file.open("rb") as found:
            shutil.copyfileobj(found, sys.stdout.buffer)
        sys.stdout.flush()


def _restore(settings: Settings, arguments: argparse.Namespace) -> None:
    work = database.put_back if arguments.as_it_was else database.restore
    if arguments.file != STREAM:
        _tell(work(settings, arguments.file))
        return
    with _scratch(settings) as file:
        with file.open("xb") as found:
            shutil.copyfileobj(sys.stdin.buffer, found)
        _tell(work(settings, file))


def _tell(found: dict[str, Any]) -> None:
    print(json.dumps(found))  # noqa: T201  # what was asked for


@contextmanager
def _scratch(settings: Settings) -> Iterator[Path]:
    # Beside the database: a container has room to write nowhere else.
    parent = settings.home / "instance"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".snapshot-") as folder:
        yield Path(folder) / "snapshot.db"
