"""`casemate remove`."""

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from install import bootstrap
from install.errors import SettingError
from install.places import Places
from install.progress import size

if TYPE_CHECKING:
    from install.removing.homes import Content, Part


def remove(
    *,
    keep_data: Annotated[
        bool,
        typer.Option(
            "--keep-data", help="Keep database, keys, credentials, receipts, backups, settings."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")] = False,
) -> None:
    """Stop the appliance and take it off this machine."""
    from install.removing import homes, work

    places = bootstrap.find_places()
    homes.check(places)
    found = homes.content(places, is_data_kept=keep_data)
    stream = sys.stderr if as_json else sys.stdout
    for line in told(places, found):
        print(line, file=stream)
    if found.goes and not yes:
        _ask(places)
    done = work.remove(
        places,
        is_data_kept=keep_data,
        path=os.environ.get("PATH", ""),
        say=lambda line: print(line, file=stream),
    )
    for line in done.warnings:
        print(line, file=stream)
    if as_json:
        print(json.dumps(done.as_dict()))
    elif not found.goes:
        print("There is nothing to remove.")
    elif done.stays:
        print(f"Removed. Its data stays in {places.home}.")
    else:
        print("Removed.")


def told(places: Places, found: "Content") -> list[str]:
    """What will go and what will stay, for the person who is asked."""
    from install.removing import homes

    if not found.goes:
        return []
    lines = [f"This removes from {places.home}:"]
    lines += [_line(part) for part in found.goes]
    lines += [f"  {size(found.bytes)} in all"]
    settings = homes.settings(places)
    if settings.containers:
        lines.append("and its containers, networks and images, with its volumes unless data stays")
    if settings.systemd:
        lines.append("and its systemd units")
    if settings.handed_on.get("CASEMATE_DATABASE_URL"):
        lines.append("A database elsewhere stays as it is.")
    if found.stays:
        lines.append(f"It keeps {', '.join(part.path.name for part in found.stays)}.")
    return lines


def _line(part: "Part") -> str:
    if part.leads_to is not None:
        return f"  {part.path.name:<14} a link; {part.leads_to} stays"
    return f"  {part.path.name:<14} {size(part.bytes)}"


def _ask(places: Places) -> None:
    """Passes when somebody types the home's name.

    Raises:
        SettingError: nobody is there to ask, or they typed something else.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        sentence = "Nobody is at a terminal to be asked; --yes removes it without asking."
        raise SettingError(sentence)
    print(f'Type the name of the folder, "{places.home.name}", to go on: ', end="", flush=True)
    if sys.stdin.readline().strip() != places.home.name:
        sentence = "That is not its name; nothing was removed."
        raise SettingError(sentence)
