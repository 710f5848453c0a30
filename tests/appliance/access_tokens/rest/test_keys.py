from typing import Any

import pytest

from appliance.gateway_feed.tables import GatewayRow
from appliance.storage.engine import Session
from tests.appliance.conftest import Server
from tests.instance_builders import GatewayKeys

PATH = "/api/v4/ai/signing_keys"
KEY_SET = "/oauth/discovery/keys"


async def _keys(server: Server) -> list[dict[str, Any]]:
    return list((await server.ask("GET", PATH)).json())


async def _published(server: Server) -> set[str]:
    found = (await server.ask("GET", KEY_SET, pat="")).json()["keys"]
    return {each["kid"] for each in found}


async def _rotate(server: Server, **body: Any) -> dict[str, Any]:
    # Keys are listed by age.
    server.clock.advance(seconds=1)
    answer = await server.ask("POST", f"{PATH}/rotate", json=body)
    assert answer.status_code == 201
    return dict(answer.json())


def _is_seen(server: Server, *kids: str) -> None:
    """A second gateway was there just now, and told of these keys."""

    def work(session: Session) -> None:
        keys = GatewayKeys()
        session.add(
            GatewayRow(
                id=keys.id,
                name="far",
                signing_key=keys.signing_public,
                sealing_key=keys.sealing_public,
                registered_at=server.clock.now,
                last_seen_at=server.clock.now,
                reported_kids=list(kids),
            )
        )

    server.db.write_blocking(work)


async def test_the_first_key_signs_and_waits_for_nothing(server: Server) -> None:
    server.clock.advance(hours=1)
    (key,) = await _keys(server)
    assert (key["state"], key["waits_for"], key["held_by"]) == ("current", None, [])
    assert key["age_s"] == 3600
    assert key["signs_since"] == key["created_at"]
    assert (key["ended_at"], key["gone_at"]) == (None, None)


async def test_a_rotation_says_what_it_waits_for(server: Server) -> None:
    (old,) = await _keys(server)
    _is_seen(server, old["kid"])
    made = await _rotate(server)
    (held, new) = made["keys"]
    assert (made["began"], made["killed"]) == (True, None)
    assert held["held_by"] == ["far"]
    assert new["state"] == "next"
    assert new["waits_for"]["gateways"] == ["far"]
    assert new["waits_for"]["until"] is not None
    assert await _published(server) == {old["kid"], new["kid"]}
    server.clock.advance(seconds=60)
    (_, new) = await _keys(server)
    assert new["waits_for"] == {"until": None, "gateways": ["far"]}


async def test_a_second_wish_leaves_the_rotation_that_is_under_way(server: Server) -> None:
    first, second = await _rotate(server), await _rotate(server)
    assert (first["began"], second["began"]) == (True, False)
    states = [[(key["kid"], key["state"]) for key in made["keys"]] for made in (first, second)]
    assert states[0] == states[1]


async def test_a_compromised_key_is_published_no_more(server: Server) -> None:
    (old,) = await _keys(server)
    made = await _rotate(server, compromised=True)
    assert made["killed"] == old["kid"]
    states = {each["kid"]: each["state"] for each in made["keys"]}
    assert states.pop(old["kid"]) == "dead"
    assert list(states.values()) == ["current"]
    assert await _published(server) == set(states)
    assert (await server.ask("POST", "/api/v4/ai/access_tokens")).status_code == 201


async def test_a_named_key_is_ended_and_an_unknown_one_is_not_found(server: Server) -> None:
    new = (await _rotate(server))["keys"][1]["kid"]
    made = await _rotate(server, compromised=True, kid=new)
    assert made["killed"] == new
    assert sorted(each["state"] for each in made["keys"]) == ["current", "dead", "next"]
    body = {"compromised": True, "kid": "nobody"}
    answer = await server.ask("POST", f"{PATH}/rotate", json=body)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "body", [{"kid": "a"}, {"compromised": "yes"}, {"compromised": True, "kid": 5}, {"x": 1}, []]
)
async def test_a_wish_that_cannot_be_read_changes_nothing(server: Server, body: Any) -> None:
    before = await _keys(server)
    answer = await server.ask("POST", f"{PATH}/rotate", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_fields")
    assert await _keys(server) == before


async def test_keys_are_an_admin_s_to_see_and_to_change(server: Server) -> None:
    _, pat = await server.new_user("ada")
    for method, path in (("GET", PATH), ("POST", f"{PATH}/rotate")):
        answer = await server.ask(method, path, pat=pat, json={} if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "admin_needed")


async def test_nothing_private_is_shown(server: Server) -> None:
    (key,) = await _keys(server)
    assert set(key) == {
        "kid",
        "state",
        "age_s",
        "created_at",
        "signs_since",
        "ended_at",
        "gone_at",
        "held_by",
        "waits_for",
    }
