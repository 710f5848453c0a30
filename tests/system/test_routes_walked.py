"""Every route of the real gateway, asked with whatever credentials an appliance gives out."""

from collections.abc import Iterator

import httpx
import jwt
import msgspec
import pytest

from gateway.contract.catalog import load_catalog
from gateway.contract.claims import Claims
from gateway.contract.ulids import is_ulid
from gateway.issuer.pins import load_pin
from tests.system.driver import Appliance
from tests.walk import Outcome, Route, Visitor, a_body, every_route, expected, other_routes, path_of

# The starter model is registered at the instance.
PROVIDER = "shm"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def claims_of(token: str) -> Claims:
    return msgspec.convert(jwt.decode(token, options={"verify_signature": False}), Claims)


def with_another_signature(token: str, other: str) -> str:
    """The claims of one token under the signature of another by the same key."""
    return f"{token.rpartition('.')[0]}.{other.rpartition('.')[2]}"


@pytest.fixture(scope="module")
def newcomer(appliance: Appliance) -> Iterator[str]:
    """The access token of a user who holds no seat."""
    with httpx.Client(
        base_url=f"{appliance.told['instance_url']}/api/v4",
        headers={"PRIVATE-TOKEN": appliance.personal_token()},
        trust_env=False,
        timeout=30,
    ) as admin:
        body = {"username": "newcomer", "name": "Newcomer", "email": "newcomer@example.test"}
        made = admin.post("/users", json={**body, "password": "correct horse battery staple 9"})
        assert made.status_code == 201, made.text
        user = f"/users/{made.json()['id']}"
        wish = {"name": "walk", "scopes": ["ai_features"]}
        pat = admin.post(f"{user}/personal_access_tokens", json=wish)
        assert pat.status_code == 201, pat.text
        minted = admin.post("/ai/access_tokens", headers={"PRIVATE-TOKEN": pat.json()["token"]})
        assert minted.status_code == 201, minted.text
        yield minted.json()["token"]
        assert admin.delete(user).is_success


@pytest.fixture(scope="module")
def visitors(appliance: Appliance, newcomer: str) -> list[Visitor]:
    right, again = appliance.access_token(), appliance.access_token()
    claims, ask_build = claims_of(right), {"X-Gitlab-Unit-Primitive": "ask_build"}
    return [
        Visitor(kind="nothing shown", headers={}),
        Visitor(kind="garbage", headers=bearer("garbage")),
        Visitor(kind="a personal token", headers=bearer(appliance.personal_token())),
        Visitor(kind="wrong signature", headers=bearer(with_another_signature(right, again))),
        Visitor(kind="another realm", headers={**bearer(right), "X-Gitlab-Realm": "other"}),
        Visitor(kind="a seat", headers=bearer(right), claims=claims),
        Visitor(
            kind="a seat, by name",
            headers={**bearer(right), **ask_build},
            claims=claims,
            names="ask_build",
        ),
        Visitor(
            kind="another group",
            headers={**bearer(right), "X-Gitlab-Namespace-Id": "2147483647"},
            claims=claims,
            is_astray=True,
        ),
        Visitor(kind="no seat", headers=bearer(newcomer), claims=claims_of(newcomer)),
        Visitor(
            kind="no seat, by name",
            headers={**bearer(newcomer), **ask_build},
            claims=claims_of(newcomer),
            names="ask_build",
        ),
    ]


def ask(appliance: Appliance, route: Route, visitor: Visitor) -> httpx.Response:
    method, path = route
    pin = load_pin(appliance.home / "gateway")
    assert pin is not None
    body = a_body(appliance.told["model"], instance_id=pin.instance_id)
    return httpx.request(
        method,
        appliance.told["gateway_url"] + path_of(path, appliance.told["model"]),
        headers=visitor.headers,
        json=body if method == "POST" else None,
        timeout=60,
        trust_env=False,
    )


def outcome(answer: httpx.Response) -> Outcome:
    if answer.is_success:
        return answer.status_code, None
    body = answer.json()
    return answer.status_code, body.get("error", body)["code"]


def test_the_admin_holds_a_seat_and_a_new_user_does_not(visitors: list[Visitor]) -> None:
    claims = {visitor.kind: visitor.claims for visitor in visitors}
    seated, unseated = claims["a seat"], claims["no seat"]
    assert seated is not None
    assert unseated is not None
    assert {"duo_chat", "complete_code"} <= seated.scopes
    assert "duo_chat" not in unseated.scopes
    assert PROVIDER in seated.providers


def test_every_route_does_for_every_visitor_what_the_table_says(
    appliance: Appliance, visitors: list[Visitor]
) -> None:
    # The starter model is assigned to every feature.
    opens = load_catalog().features_by_unit_primitive()
    wrong = []
    for visitor in visitors:
        for route in every_route():
            answer = ask(appliance, route, visitor)
            due = expected(route, visitor, provider=PROVIDER, opens=opens)
            if outcome(answer) != due:
                wrong.append((route, visitor.kind, outcome(answer), due))
            if answer.status_code == 403:
                body = answer.json()
                assert is_ulid(body.get("error", body)["decision_id"])
    assert not wrong


def test_no_route_takes_a_method_that_the_table_lacks(
    appliance: Appliance, visitors: list[Visitor]
) -> None:
    (seated,) = [visitor for visitor in visitors if visitor.kind == "a seat"]
    taken = [
        (route, answer.status_code)
        for route in other_routes()
        if route[0] != "OPTIONS"
        and (answer := ask(appliance, route, seated)).status_code not in {404, 405}
    ]
    assert not taken
