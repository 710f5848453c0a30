"""`casemate keys`: the keys that access tokens are signed with."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from install.admin.licences import here
from install.errors import SettingError

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
PATH = "/api/v4/ai/signing_keys"
WHAT_FOLLOWS = (
    "All access tokens that the key signed are refused within a second; clients ask for new ones. "
    "Say --yes to do it."
)


@app.command(name="list")
def list_keys(*, as_json: AsJson = False) -> None:
    """The keys that are not gone: which signs, which comes next, and what it waits for."""
    with here() as asked:
        found = asked.ask("GET", PATH)
    if as_json:
        print(json.dumps(found))
        return
    _show(found)


@app.command()
def rotate(
    kid: Annotated[
        str | None, typer.Argument(metavar="KID", help="The compromised key; default the current.")
    ] = None,
    *,
    compromised: Annotated[
        bool, typer.Option("--compromised", help="End a key at once, with all that it signed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Begin with a new key now, once every gateway has it; or end a compromised one at once."""
    if kid is not None and not compromised:
        sentence = "A key is only named to be ended: say --compromised as well."
        raise SettingError(sentence)
    if compromised and not yes:
        raise SettingError(WHAT_FOLLOWS)
    body: dict[str, Any] = {"compromised": compromised} | ({} if kid is None else {"kid": kid})
    with here() as asked:
        found = asked.ask("POST", f"{PATH}/rotate", body)
    if as_json:
        print(json.dumps(found))
        return
    print(_said_of(found))
    _show(found["keys"])


def _said_of(found: Mapping[str, Any]) -> str:
    if found["killed"] is not None:
        return f"{found['killed']} is dead; nothing that it signed counts any more."
    return "A rotation began." if found["began"] else "A rotation is under way already."


def _show(keys: Sequence[Mapping[str, Any]]) -> None:
    for key in keys:
        print(f"{key['kid']}  {key['state']:<8} {_since(key)}")
        if key["waits_for"] is not None:
            print(f"  {_said_of_wait(key['waits_for'])}")


def _since(key: Mapping[str, Any]) -> str:
    if key["ended_at"] is not None:
        return f"since {_moment(key['ended_at'])}, gone at {_moment(key['gone_at'])}"
    return f"since {_moment(key['signs_since'] or key['created_at'])}"


def _said_of_wait(waits_for: Mapping[str, Any]) -> str:
    reasons = []
    if waits_for["until"] is not None:
        reasons.append(f"until {_moment(waits_for['until'])}, when every cache has it")
    if waits_for["gateways"]:
        reasons.append(f"for the gateways {', '.join(waits_for['gateways'])}")
    return f"waits {' and '.join(reasons)}" if reasons else "signs in a moment"


def _moment(text: str) -> str:
    return text[:19].replace("T", " ")
