"""`casemate audit`: who did what, and whether the log of it is as it was written."""

import json
import sys
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.markup import escape
from rich.table import Table

from install import bootstrap, config, local_work
from install.admin.licences import here
from install.errors import FAILED, NotInstalledError
from install.summary import console_on

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
PATH = "/api/v4/audit_events"


@app.command()
def verify(
    *,
    database: Annotated[
        bool, typer.Option("--database", help="Read the database itself, also while all is down.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Whether nothing in the log was changed, removed or added; exit code 1 when it was."""
    if database:
        places = bootstrap.find_places()
        settings = config.load(places.config)
        if settings is None:
            raise NotInstalledError(places.home)
        raise typer.Exit(local_work.run(places, settings, ["audit", "verify"]))
    with here() as asked:
        found = asked.ask("GET", f"{PATH}/verification")
    print(json.dumps(found) if as_json else said_of(found))
    raise typer.Exit(0 if found["intact"] else FAILED)


def said_of(found: dict[str, Any]) -> str:
    """The verdict for people; the digest is to be noted down elsewhere, and compared later."""
    head = f"{found['entries']} entries, up to {found['head']}"
    return f"intact: {head}" if found["intact"] else f"not intact: {found['reason']} ({head})"


@app.command(name="list")
def list_events(
    *,
    action: Annotated[str | None, typer.Option(help="Such as licence_added.")] = None,
    count: Annotated[int, typer.Option("-n", min=1, max=100, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The newest entries of the log."""
    asked_for = {"per_page": count, "action": action}
    query = urlencode({name: value for name, value in asked_for.items() if value is not None})
    with here() as asked:
        found = asked.ask("GET", f"{PATH}?{query}")
    if as_json:
        print(json.dumps(found))
        return
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in ("", "when", "who", "did", "to", "details"):
        table.add_column(heading, overflow="fold")
    for each in found:
        target = f"{each['entity_type']} {each['entity_id']}"
        details = json.dumps(each["details"], ensure_ascii=False)
        who, when = each["author_name"], each["created_at"][:19].replace("T", " ")
        words = (str(each["id"]), when, who, each["event_name"], target, details)
        table.add_row(*map(escape, words))
    console_on(sys.stdout).print(table)
