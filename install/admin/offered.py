"""`casemate models sync` and `offered`: the models that the gateway brings."""

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from install.admin.licences import here
from install.errors import FAILED

AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
PATH = "/api/v4/ai/offered_models"
HEADINGS = ("ref", "name", "family", "provider", "state", "features", "default for")


def list_offered(*, as_json: AsJson = False) -> None:
    """The models that the gateway brings, and what is wrong with what it says of them."""
    with here() as asked:
        found = asked.ask("GET", PATH)
    if as_json:
        print(json.dumps(found))
        return
    from rich.table import Table

    from install.summary import console_on

    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading == "ref")
    for model in found["models"]:
        table.add_row(*_row(model))
    console = console_on(sys.stdout)
    console.print(table)
    if found["sync"] is None:
        print("The gateway was not asked yet; `casemate models sync` asks it.")
    else:
        _tell(found["sync"])


def sync(*, as_json: AsJson = False) -> None:
    """Read now which models the gateway brings."""
    with here() as asked:
        report = asked.ask("POST", f"{PATH}/sync")
    if as_json:
        print(json.dumps(report))
    else:
        done = [f"{number} {what}" for what, number in report["changes"].items() if number]
        if report["succeeded"]:
            print(f"{', '.join(done) or 'Nothing changed'}.")
        _tell(report["sync"])
    if not report["succeeded"]:
        raise typer.Exit(FAILED)


def _row(model: Mapping[str, Any]) -> tuple[str, ...]:
    suited = f"{len(model['features'])}"
    trials = f" and {len(model['beta_for'])} as a trial" if model["beta_for"] else ""
    return (
        model["ref"],
        model["name"],
        model["family"] or "-",
        model["provider"],
        model["why_unusable"] or model["release_state"],
        suited + trials,
        # Two models may be the defaults of nine features each.
        str(len(model["default_for"]) or "-"),
    )


def _tell(state: Mapping[str, Any]) -> None:
    """How reading the definitions went, and what is wrong with them."""
    when = state["succeeded_at"]
    print(f"Read from {state['source']}{f' at {when}' if when else ', never yet'}.")
    if state["failure"]:
        print(f"  ! {state['failure']} What was known holds; the next try is {state['due_at']}.")
    for problem in state["problems"]:
        where = f"{problem['entry']}: " if problem["entry"] else ""
        print(f"  ! {where}{problem['sentence']}")
