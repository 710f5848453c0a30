"""`casemate egress`: what tried to leave the machine, and what the kernel dropped."""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from install import bootstrap, config
from install.egress import looking
from install.egress.ledgers import Found
from install.errors import NotInstalledError, SettingError
from install.summary import console_on

UNITS = {"m": "minutes", "h": "hours", "d": "days"}
SHOWN = 40
NO_COUNT = (
    "The kernel's own count is there with containers alone: processes have no lock of their own, "
    "and systemd's address filter counts nothing."
)


def egress(
    *,
    since: Annotated[
        str | None, typer.Option(help="Only the last 30m, 24h, 7d; default all that is kept.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """What tried to leave this machine and was refused; exit code 0 also when something did."""
    reach = _reach(since)
    places = bootstrap.find_places()
    settings = config.load(places.config)
    if settings is None:
        raise NotInstalledError(places.home)
    found = looking.look(places, settings).since(datetime.now(UTC) - reach if reach else None)
    kernel = looking.kernel_drops(places, settings)
    if as_json:
        print(json.dumps({**found.as_dict(), "kernel": kernel}))
    else:
        show(found, kernel)


def _reach(since: str | None) -> timedelta | None:
    if since is None:
        return None
    written = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", since)
    if written is None:
        sentence = f"--since {since}: write minutes, hours or days, such as 30m, 24h or 7d."
        raise SettingError(sentence)
    return timedelta(**{UNITS[written[2]]: int(written[1])})


def show(found: Found, kernel: dict[str, Any] | None) -> None:
    """For people: the latest attempts, then the counts."""
    console = console_on(sys.stdout)
    if found.attempts:
        table = Table(box=None, padding=(0, 2), pad_edge=False)
        for heading in ("time", "service", "attempt", "to", "by"):
            table.add_column(heading, overflow="fold")
        for each in found.attempts[-SHOWN:]:
            to = each.host if each.port is None else f"{each.host} port {each.port}"
            when = f"{each.time.astimezone():%Y-%m-%d %H:%M:%S}"
            by = each.by[0] if each.by else ""
            table.add_row(when, *map(escape, (each.service, each.what, to, by)))
        console.print(table)
    for name, count in found.counts.items():
        older = "; older ones may be gone" if name in found.cut else ""
        console.print(f"{escape(name)}: {count} refused{older}", soft_wrap=True)
    for name in found.unread:
        console.print(f"{name}: cannot be read; its container is not there", soft_wrap=True)
    console.print(escape(said_of(kernel)), soft_wrap=True)


def said_of(kernel: dict[str, Any] | None) -> str:
    """The lock and its drops, in a sentence."""
    if kernel is None:
        return NO_COUNT
    dropped = ", ".join(f"{hook} {count}" for hook, count in kernel["dropped"].items())
    lock = "the lock is there" if kernel["held"] else f"the lock is not whole: {kernel['problem']}"
    return f"kernel: {lock}; packets dropped: {dropped or 'none'}"
