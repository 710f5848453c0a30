"""`casemate gateways`: who answers for the models, and how well each follows the instance."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from install.admin.licences import here, read
from install.errors import SettingError

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
Name = Annotated[str, typer.Argument(help="The gateway's name.")]
Keys = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="What `python -m gateway keys` printed there; - is standard input."
    ),
]
PATH = "/api/v4/ai/gateways"
HALVES = ("gateway_id", "signing_key", "sealing_key")
NEXT = (
    "{name} is registered. Give the above to it: `python -m gateway pin` reads it from standard "
    "input, on its machine. Change instance_url there if it reaches this instance otherwise."
)


@app.command(name="list")
def list_gateways(*, as_json: AsJson = False) -> None:
    """Every registered gateway: whether it is there, how far it follows, and its clock."""
    with here() as asked:
        found = list(asked.ask("GET", PATH))
    if as_json:
        print(json.dumps(found))
        return
    for each in found:
        print(_line(each))
        if each["clock_note"]:
            print(f"  ! {each['clock_note']}")
    if not found:
        print("No gateway is registered.")


@app.command()
def show(name: Name, *, as_json: AsJson = False) -> None:
    """One gateway, with the keys that it holds and what it sees of each model."""
    with here() as asked:
        found = asked.ask("GET", _path(name))
    if as_json:
        print(json.dumps(found))
        return
    print(_line(found))
    print(f"  id        {found['id']}")
    print(f"  seen      {found['last_seen_at'] or 'never'}")
    print(f"  position  {_or_none(found['epoch'])}.{_or_none(found['sequence'])}")
    print(f"  clock     {_clock(found)}")
    print(f"  keys      {', '.join(found['kids']) or 'none'}")
    for model in found["models"]:
        print(f"  model     {model['ref']}  {model['state']}")
    if found["clock_note"]:
        print(f"  ! {found['clock_note']}")


@app.command()
def add(name: Name, keys: Keys = Path("-"), *, as_json: AsJson = False) -> None:
    """Register a gateway by its public keys; prints what it must be given to trust this one."""
    halves = _public_halves(read(keys))
    with here() as asked:
        added = asked.ask("POST", PATH, {"name": name, **halves})
    if as_json:
        print(json.dumps(added))
        return
    print(json.dumps(added["pin"], indent=2))
    print(NEXT.format(name=name), file=sys.stderr)


@app.command()
def remove(name: Name, *, as_json: AsJson = False) -> None:
    """Trust a gateway no more, from this moment."""
    with here() as asked:
        removed = asked.ask("DELETE", _path(name))
    if as_json:
        print(json.dumps(removed))
        return
    print(f"{name} is removed.")
    if removed["warning"]:
        print(f"  ! {removed['warning']}")


def _path(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"


def _public_halves(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"signing_key", "sealing_key"} <= found.keys():
        sentence = "That is not what `python -m gateway keys` prints: a JSON object with both keys."
        raise SettingError(sentence)
    return {half: str(found[half]) for half in HALVES if half in found}


def _line(shown: Mapping[str, Any]) -> str:
    version = shown["version"] or "unknown"
    return f"{shown['name']:<16} {shown['connection']:<9}  release {version}, {_lag(shown)}"


def _lag(shown: Mapping[str, Any]) -> str:
    behind = shown["changes_behind"]
    if behind is None:
        return "has read nothing yet"
    if behind == 0:
        return "up to date"
    return f"{behind} changes behind, for {shown['seconds_behind']:.0f} s"


def _clock(shown: Mapping[str, Any]) -> str:
    skew_ms = shown["clock_skew_ms"]
    return "not measured" if skew_ms is None else f"{skew_ms / 1000:+.1f} s from this instance's"


def _or_none(number: int | None) -> str:
    return "-" if number is None else str(number)
