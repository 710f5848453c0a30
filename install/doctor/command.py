"""`casemate doctor` on the command line."""

import json
import sys
from contextlib import closing
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from install import bootstrap
from install.doctor.box import Box
from install.doctor.findings import Finding, as_dict, exit_code, first_failed
from install.doctor.hops import HOPS
from install.doctor.walking import only, walk
from install.summary import console_on

MARKS = {
    "ok": "[green]✓[/green]",
    "warning": "[yellow]![/yellow]",
    "failed": "[red]✗[/red]",
    "skipped": "[dim]·[/dim]",
}
WIDTH = max(len(hop.name) for hop in HOPS)


def doctor(
    *,
    only_hops: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="HOP", help="This hop and what it needs; again for more."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")] = False,
) -> None:
    """Follow a question all the way; names the hop that fails and what helps. Changes nothing.

    Exit code 0 when all is well, 1 with warnings or skipped hops only, 2 when a hop failed.
    """
    hops = only(HOPS, only_hops or ())
    console = console_on(sys.stdout)
    with closing(Box(places=bootstrap.find_places())) as box:
        if as_json:
            findings = walk(hops, box)
            print(json.dumps(as_dict(findings)))
        else:
            findings = walk(hops, box, on_finding=lambda found: _show(console, found))
            _conclude(console, findings)
    raise typer.Exit(exit_code(findings))


def _show(console: Console, found: Finding) -> None:
    line = f"{MARKS[found.state]} {found.hop:<{WIDTH}}  {escape(found.found)}"
    console.print(line, soft_wrap=True)
    if found.fix:
        console.print(f"  {'':<{WIDTH}}  → {escape(found.fix)}", soft_wrap=True)


def _conclude(console: Console, findings: list[Finding]) -> None:
    first = first_failed(findings)
    if first is not None:
        console.print(f"\nMend [red]{first}[/red] first; what is behind it may follow.")
        return
    states = [each.state for each in findings]
    warned, unseen = states.count("warning"), states.count("skipped")
    if unseen:
        console.print(f"\nNothing failed; {warned} warnings, {unseen} not looked at.")
        return
    console.print(f"\nAll works; {warned} warnings." if warned else "\nAll is well.")
