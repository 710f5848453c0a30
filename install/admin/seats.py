"""`casemate seats`: who may use what was bought."""

import json
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from install.admin.licences import here
from install.api import Instance
from install.errors import SettingError

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
AddOn = Annotated[str, typer.Argument(help="The add-on, such as duo_enterprise.")]
Users = Annotated[list[str], typer.Argument(metavar="USERNAME...")]
Group = Annotated[
    str | None, typer.Option("--namespace", help="The group that bought it; else the instance.")
]
PURCHASES = "/api/v4/ai/add_on_purchases"
PAGE = 100


@app.command(name="list")
def list_seats(
    add_on: Annotated[str | None, typer.Argument(help="Only this add-on, with its seats.")] = None,
    *,
    namespace: Group = None,
    as_json: AsJson = False,
) -> None:
    """What was bought and how much of it is given; with an add-on, to whom."""
    with here() as asked:
        if add_on is None:
            found = _purchases(asked, namespace)
        else:
            purchase = find(asked, add_on, namespace)
            found = [{**purchase, "seats": _seats(asked, int(purchase["id"]))}]
    if as_json:
        print(json.dumps(found))
        return
    for each in found:
        _show(each)


@app.command()
def give(add_on: AddOn, users: Users, *, namespace: Group = None, as_json: AsJson = False) -> None:
    """Give each of the users a seat, or none of them."""
    with here() as asked:
        path = f"{PURCHASES}/{find(asked, add_on, namespace)['id']}/seats"
        given = asked.ask("POST", path, {"user_ids": [user_id(asked, each) for each in users]})
    print(json.dumps(given) if as_json else f"{', '.join(users)}: given a seat of {add_on}.")


@app.command()
def take(add_on: AddOn, users: Users, *, namespace: Group = None, as_json: AsJson = False) -> None:
    """Take the seat of each of the users, or of none of them."""
    with here() as asked:
        path = f"{PURCHASES}/{find(asked, add_on, namespace)['id']}/seats"
        numbers = [user_id(asked, each) for each in users]
        asked.ask("DELETE", path, {"user_ids": numbers})
    print(json.dumps(numbers) if as_json else f"{', '.join(users)}: no seat of {add_on} any more.")


def find(asked: Instance, add_on: str, namespace: str | None) -> dict[str, Any]:
    """The purchase of an add-on by a group, or by the instance.

    Raises:
        SettingError: nobody bought it there.
    """
    bought = _purchases(asked, namespace)
    for purchase in bought:
        if purchase["add_on"] == add_on and (purchase["namespace"] is None) == (namespace is None):
            return purchase
    known = ", ".join(sorted({str(each["add_on"]) for each in bought})) or "nothing"
    sentence = f"{add_on!r} was not bought there; {known} was. See `casemate licence list`."
    raise SettingError(sentence)


def user_id(asked: Instance, username: str) -> int:
    """The number of a user.

    Raises:
        SettingError: there is no such user.
    """
    found = asked.ask("GET", f"/api/v4/users?{urlencode({'username': username})}")
    if not found:
        sentence = f"There is no user {username!r}."
        raise SettingError(sentence)
    return int(found[0]["id"])


def _purchases(asked: Instance, namespace: str | None) -> list[dict[str, Any]]:
    if namespace is None:
        return list(asked.ask("GET", PURCHASES))
    group = asked.ask("GET", f"/api/v4/groups/{quote(namespace, safe='')}")
    return list(asked.ask("GET", f"{PURCHASES}?namespace_id={group['id']}"))


def _seats(asked: Instance, purchase_id: int) -> list[dict[str, Any]]:
    seats: list[dict[str, Any]] = []
    number = 1
    while True:
        query = f"page={number}&per_page={PAGE}"
        found = asked.ask("GET", f"{PURCHASES}/{purchase_id}/seats?{query}")
        seats += found
        if len(found) < PAGE:
            return seats
        number += 1


def _show(purchase: dict[str, Any]) -> None:
    owner = purchase["namespace"]["full_path"] if purchase["namespace"] else "the instance"
    amount = f"{purchase['assigned_quantity']} of {purchase['purchased_quantity']} given"
    print(f"{purchase['add_on']:<16} {amount}, {purchase['state']}, of {owner}")
    for seat in purchase.get("seats", ()):
        limit = "  over the limit" if seat["is_over_limit"] else ""
        print(f"  {seat['username']}  since {seat['given_at'][:10]}{limit}")
    for warning in purchase["warnings"]:
        print(f"  ! {warning}")
