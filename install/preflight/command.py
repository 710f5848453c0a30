"""`casemate preflight [FILE]`: what of this machine is as it must be, before anything is done."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from install import bootstrap, config
from install.errors import UNFIT
from install.preflight.findings import Report

BUNDLE = "A bundle, to look whether it can be applied here; nobody's word is taken for it yet."


def preflight(
    file: Annotated[Path | None, typer.Argument(help=BUNDLE, show_default=False)] = None,
    *,
    compose: Annotated[bool, typer.Option("--compose", help="As containers.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")] = False,
) -> None:
    """Look at this machine, changing nothing; exit code 2 when something must be otherwise."""
    from install.bundle import looking
    from install.bundle.opened import opened
    from install.preflight import bundle, machine

    places = bootstrap.find_places()
    remembered = config.load(places.config)
    are_containers = compose or (remembered is not None and remembered.containers)
    settings = config.resolve({"containers": are_containers}, os.environ, remembered)
    device = machine.find_device(settings.device)
    told = None
    if file is None:
        report = bundle.check(places, settings, None, device=device)
    else:
        with opened(file) as found:
            report = bundle.check(places, settings, found.manifest, device=device)
            told = looking.described(found)
    if as_json:
        signer = {"signer": told["signer"]} if told else {}
        print(json.dumps({**report.as_dict(), **signer}))
    else:
        show(report)
        for line in looking.signer_lines(told) if told else ():
            print(line)
    raise typer.Exit(UNFIT if report.problems else 0)


def show(report: Report) -> None:
    """A line for each thing, then a sentence for each that is not as it should be."""
    from rich.table import Table

    from install.summary import console_on

    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in ("check", "state", "found"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "found")
    for each in report.findings:
        table.add_row(each.name, each.state, each.found)
    console_on(sys.stdout).print(table)
    for sentence in (*report.problems, *report.warnings):
        print(sentence)
