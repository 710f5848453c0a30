"""`casemate flags`: which features are switched on, for whom, and which flags should be gone."""

import json
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from install.admin.licences import here
from install.errors import SettingError

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
Name = Annotated[str, typer.Argument(help="The flag, such as ai_global_switch.")]
PATH = "/api/v4/features"
HEADINGS = ("flag", "state", "set to", "type", "switches")
# As the instance says who is let in or kept out by name.
ACTORS = {"actors": "on", "actors_off": "off"}


@app.command(name="list")
def list_flags(*, as_json: AsJson = False) -> None:
    """Every flag: whether it is on, what it was set to, and what it switches."""
    with here() as asked:
        found = list(asked.ask("GET", PATH))
    if as_json:
        print(json.dumps(found))
        return
    from rich.table import Table

    from install.summary import console_on

    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading == "flag")
    for each in found:
        table.add_row(*_row(each))
    console_on(sys.stdout).print(table)


@app.command()
def show(name: Name, *, as_json: AsJson = False) -> None:
    """One flag, with what it is for."""
    with here() as asked:
        flags = {each["name"]: each for each in asked.ask("GET", PATH)}
    found = flags.get(name)
    if found is None:
        near = " or ".join(get_close_matches(name, flags))
        sentence = f"There is no flag {name!r}" + (f"; did you mean {near}?" if near else ".")
        raise SettingError(sentence)
    if as_json:
        print(json.dumps(found))
        return
    about = found["definition"]
    print(f"{name}  {about['description'] if about else 'unknown to this release'}")
    print(f"  state     {found['state']}")
    print(f"  set to    {_set_to(found)}")
    if about is None:
        return
    print(f"  default   {_word(is_on=about['default_enabled'])}")
    print(f"  type      {about['type']}, since {about['milestone']}, of {about['group']}")
    if about["until"]:
        print(f"  until     {about['until']}")
    print(f"  switches  {_switches(found)}")
    if about["push"]:
        print(f"  told to   {', '.join(about['push'])}")


@app.command(name="set")
def set_flag(
    name: Name,
    value: Annotated[Literal["on", "off"] | None, typer.Argument(help="on or off.")] = None,
    *,
    users: Annotated[
        list[str] | None,
        typer.Option("--user", help="For this user alone; again for more."),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--group", help="In this group and below; again for more."),
    ] = None,
    percentage: Annotated[
        int | None, typer.Option("--percentage", help="On for this share of the users, 0 to 100.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn a flag on or off: for everyone, for users, in groups, or for a share of the users."""
    if (value is None) == (percentage is None):
        sentence = "Say either on, or off, or --percentage with a number."
        raise SettingError(sentence)
    if percentage is not None and (users or groups):
        sentence = "A share is of all users; leave --user and --group out."
        raise SettingError(sentence)
    if percentage is not None:
        wish: dict[str, Any] = {"value": percentage, "key": "percentage_of_actors"}
    else:
        wish = {"value": value == "on"}
    wish |= {key: ",".join(names) for key, names in (("user", users), ("group", groups)) if names}
    with here() as asked:
        found = asked.ask("POST", _path(name), wish)
    if as_json:
        print(json.dumps(found))
        return
    print(f"{name}: {found['state']}, set to {_set_to(found)}.")


@app.command()
def reset(name: Name, *, as_json: AsJson = False) -> None:
    """Forget what a flag was set to; its default holds again."""
    with here() as asked:
        asked.ask("DELETE", _path(name))
    if as_json:
        print(json.dumps({"name": name, "reset": True}))
        return
    print(f"{name}: back to its default.")


@app.command(name="stale")
def list_stale(*, as_json: AsJson = False) -> None:
    """The flags that should be gone, and what is left of those that are."""
    with here() as asked:
        found = list(asked.ask("GET", f"{PATH}/stale"))
    if as_json:
        print(json.dumps(found))
        return
    if not found:
        print("No flag is stale.")
    for each in found:
        owner = f" (of {each['group']})" if each["group"] else ""
        print(f"! {each['name']}{owner}: {each['reason']}")


def _path(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"


def _row(found: Mapping[str, Any]) -> Sequence[str]:
    about = found["definition"]
    kind = "unknown" if about is None else str(about["type"])
    return (str(found["name"]), str(found["state"]), _set_to(found), kind, _switches(found))


def _switches(found: Mapping[str, Any]) -> str:
    about = found["definition"]
    if about is None:
        return "nothing; reset it"
    return ", ".join(about["features"]) or str(about["description"])


def _set_to(found: Mapping[str, Any]) -> str:
    """The share of the users or what holds for everyone, then who was named."""
    gates = {gate["key"]: gate["value"] for gate in found["gates"]}
    share = gates.get("percentage_of_actors")
    told = [_word(is_on=gates["boolean"]) if share is None else f"on for {share} %"]
    told += [f"{word} for {', '.join(gates[key])}" for key, word in ACTORS.items() if key in gates]
    return "; ".join(told)


def _word(*, is_on: bool) -> str:
    return "on" if is_on else "off"
