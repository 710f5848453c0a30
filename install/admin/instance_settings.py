"""`casemate settings`: where the parts are reached, and the limits, as the instance keeps it."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from install.admin.licences import here
from install.errors import SettingError

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
PATH = "/api/v4/ai/settings"
SECONDS = "ai_gateway_timeout_seconds"
RATE_LIMIT = "ai_action_api_rate_limit"
ABOUT = {
    "instance_public_url": "the instance as clients reach it; tokens name it as their issuer",
    "gateway_public_url": "the gateway as clients reach it",
    "ai_gateway_url": "the gateway as the instance reaches it",
    SECONDS: "how long the gateway may say nothing",
    RATE_LIMIT: "AI requests of a user within 8 hours; 0 is no limit",
}
OF_NUMBERS = (SECONDS, RATE_LIMIT)
NAMES = ", ".join(ABOUT)
Name = Annotated[str, typer.Argument(help=f"One of {NAMES}.")]


@app.command()
def show(*, as_json: AsJson = False) -> None:
    """What holds now; a star marks what was set here and not by the environment."""
    with here() as asked:
        found = asked.ask("GET", PATH)
    _tell(found, as_json=as_json)


@app.command(name="set")
def set_one(
    name: Name,
    value: Annotated[str, typer.Argument(help="A URL, or a number.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Change a setting; a registered gateway must answer at a new ai_gateway_url."""
    _check(name)
    wanted: str | int = int(value) if name in OF_NUMBERS and value.isdecimal() else value
    with here() as asked:
        found = asked.ask("PUT", PATH, {name: wanted})
    _tell(found, as_json=as_json)


@app.command()
def reset(name: Name, *, as_json: AsJson = False) -> None:
    """Take a setting back: what the environment says holds again."""
    _check(name)
    with here() as asked:
        found = asked.ask("PUT", PATH, {name: None})
    _tell(found, as_json=as_json)


def _check(name: str) -> None:
    if name not in ABOUT:
        sentence = f"There is no setting {name!r}; there are {NAMES}."
        raise SettingError(sentence)


def _tell(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found))
        return
    for name, about in ABOUT.items():
        star = "*" if name in found["set_here"] else " "
        print(f"{star} {name:<26}  {found[name]}  ({about})")
