"""`casemate usage`: what was used, added up, as a table, JSON or CSV."""

import json
import sys
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.markup import escape
from rich.table import Table

from install.admin.licences import here
from install.admin.seats import user_id
from install.api import Instance
from install.errors import SettingError
from install.summary import console_on

PATH = "/api/v4/usage"


def usage(  # noqa: PLR0913  # each is an option of the command line
    *,
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day; default 30 days back."),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, inclusive; default today."),
    ] = None,
    group_by: Annotated[
        str, typer.Option(help="From day,feature,provider,model,namespace,user.")
    ] = "day",
    user: Annotated[str | None, typer.Option(help="One user's only.")] = None,
    namespace: Annotated[
        str | None, typer.Option(help="A group's, and of the groups below it.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="For a spreadsheet.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for scripts.")] = False,
) -> None:
    """What was used: requests and tokens, never what was asked. Days are UTC."""
    if as_csv and as_json:
        sentence = "--csv and --json are two forms; choose one."
        raise SettingError(sentence)
    asked_for = {"from": _day(first), "to": _day(last), "group_by": group_by}
    with here() as asked:
        path = f"{PATH}?{_query(asked, asked_for, user=user, namespace=namespace)}"
        if as_csv:
            sys.stdout.write(asked.text(f"{path}&format=csv"))
            return
        found = asked.ask("GET", path)
    if as_json:
        print(json.dumps(found))
    else:
        _show(found)


def _day(moment: datetime | None) -> str | None:
    return moment.date().isoformat() if moment is not None else None


def _query(
    asked: Instance, asked_for: dict[str, str | None], *, user: str | None, namespace: str | None
) -> str:
    query: dict[str, str | int] = {k: value for k, value in asked_for.items() if value is not None}
    if user is not None:
        query["user_id"] = user_id(asked, user)
    if namespace is not None:
        query["namespace_id"] = asked.group_id(namespace)
    return urlencode(query)


def _show(found: list[dict[str, Any]]) -> None:
    if not found:
        print("Nothing was used in these days.")
        return
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in found[0]:
        is_sum = heading in {"requests", "answered", "prompt_tokens", "completion_tokens"}
        table.add_column(heading.replace("_", " "), justify="right" if is_sum else "left")
    for line in found:
        table.add_row(*("" if value is None else escape(str(value)) for value in line.values()))
    console_on(sys.stdout).print(table)
