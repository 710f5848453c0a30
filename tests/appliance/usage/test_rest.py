from dataclasses import dataclass
from datetime import timedelta

import pytest

from appliance.accounts.usecases import get_user
from appliance.namespaces.rules import AccessLevel, Membership, NewGroup
from appliance.namespaces.usecases import create_group, set_member
from appliance.storage.engine import Session
from appliance.usage.usecases import count
from tests.appliance.conftest import Server
from tests.builders import a_usage_event
from tests.instance_builders import NOW

PATH = "/api/v4/usage"
NOON = NOW.timestamp()


@dataclass(frozen=True)
class Organisation:
    """A root group with one below; `ada` owns the root, `ben` develops in it."""

    root: int
    below: int
    ada: str
    ben: str
    ben_id: int
    stranger: str


@pytest.fixture
async def used(server: Server) -> Organisation:
    """One call by each of ada and ben, in the group below and outside of any."""
    ada_id, ada = await server.new_user("ada")
    ben_id, ben = await server.new_user("ben")
    _, stranger = await server.new_user("eve")

    def fill(session: Session) -> tuple[int, int]:
        admin = get_user(session, 1)
        root = create_group(session, NewGroup(name="R", path="r"), caller_user=admin, now=NOW)
        wish = NewGroup(name="B", path="b", parent_id=root.id)
        below = create_group(session, wish, caller_user=admin, now=NOW)
        for user_id, level in ((ada_id, AccessLevel.OWNER), (ben_id, AccessLevel.DEVELOPER)):
            membership = Membership(
                user_id=user_id, namespace_id=root.id, access_level=level, expires_on=None
            )
            set_member(session, membership, caller_user=admin, now=NOW)
        told = [
            a_usage_event(1, subject="ada", namespace_id=below.id, happened_at=NOON - 3),
            a_usage_event(2, subject="ben", namespace_id=below.id, happened_at=NOON - 2),
            a_usage_event(3, subject="ben", happened_at=NOON - 1, model="=m"),
        ]
        user_ids = {"ada": ada_id, "ben": ben_id}
        keeps = timedelta(days=90)
        assert count(session, "g", told, user_ids=user_ids, now=NOW, keeps=keeps) == []
        return root.id, below.id

    root, below = await server.db.write(fill)
    return Organisation(root, below, ada, ben, ben_id, stranger)


async def requests(server: Server, pat: str | None, **query: str | int) -> int | str:
    """How many requests the sums come to, or the code of a refusal."""
    answer = await server.ask("GET", PATH, pat=pat, params=query)
    if answer.status_code != 200:
        code: str = answer.json()["code"]
        return code
    lines: list[dict[str, int]] = answer.json()
    return sum(line["requests"] for line in lines)


async def test_a_user_sees_their_own(server: Server, used: Organisation) -> None:
    assert await requests(server, used.ada) == 1
    assert await requests(server, used.ben) == 2
    assert await requests(server, used.ben, user_id=used.ben_id) == 2
    assert await requests(server, used.stranger) == 0


async def test_an_owner_sees_their_group_and_those_below(
    server: Server, used: Organisation
) -> None:
    assert await requests(server, used.ada, namespace_id=used.root) == 2
    assert await requests(server, used.ada, namespace_id=used.below) == 2
    assert await requests(server, used.ada, namespace_id=used.root, user_id=used.ben_id) == 1


async def test_nobody_else_sees_what_is_not_theirs(server: Server, used: Organisation) -> None:
    assert await requests(server, used.ada, user_id=used.ben_id) == "others_usage"
    assert await requests(server, used.ben, namespace_id=used.root) == "others_usage"
    own = {"namespace_id": used.root, "user_id": used.ben_id}
    assert await requests(server, used.ben, **own) == 1
    assert await requests(server, used.stranger, namespace_id=used.root) == "not_found"
    assert await requests(server, used.stranger, namespace_id=99) == "not_found"


async def test_an_admin_sees_all(server: Server, used: Organisation) -> None:
    assert await requests(server, None) == 3
    assert await requests(server, None, namespace_id=used.root) == 2
    assert await requests(server, None, user_id=used.ben_id) == 2


async def test_sums_come_by_the_groups_asked_for(server: Server, used: Organisation) -> None:
    query = {"group_by": "namespace,user", "from": "2026-11-21", "to": "2026-11-21"}
    answer = await server.ask("GET", PATH, params=query)
    assert [(line["namespace_id"], line["requests"]) for line in answer.json()] == [
        (None, 1),
        (used.below, 1),
        (used.below, 1),
    ]
    assert await requests(server, None, to="2026-11-20") == 0


@pytest.mark.parametrize(
    "query",
    [
        {"group_by": "hour"},
        {"from": "2026-12-02", "to": "2026-12-01"},
        {"from": "soon"},
        {"format": "xml"},
        {"user_id": "x"},
    ],
)
async def test_a_question_that_cannot_be_read_is_400(server: Server, query: dict[str, str]) -> None:
    answer = await server.ask("GET", PATH, params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_fields")


async def test_sums_can_be_downloaded_as_csv(server: Server, used: Organisation) -> None:
    query = {"group_by": "model", "format": "csv"}
    answer = await server.ask("GET", PATH, pat=used.ben, params=query)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.text.splitlines() == [
        "model,requests,answered,prompt_tokens,completion_tokens",
        "'=m,1,1,0,0",
        "demo,1,1,0,0",
    ]


async def test_single_events_come_in_pages_newest_first(server: Server, used: Organisation) -> None:
    answer = await server.ask("GET", f"{PATH}/events", params={"per_page": 2})
    assert [event["request_id"] for event in answer.json()] == ["request-3", "request-2"]
    assert answer.headers["x-total"] == "3"
    assert "subject" not in answer.json()[0]
    assert answer.json()[0]["user_id"] == used.ben_id
    own = await server.ask("GET", f"{PATH}/events", pat=used.ada)
    assert [event["request_id"] for event in own.json()] == ["request-1"]


async def test_a_token_that_may_not_read_the_api_sees_nothing(server: Server) -> None:
    _, pat = await server.new_user("kim", "ai_features")
    for path in (PATH, f"{PATH}/events"):
        assert (await server.ask("GET", path, pat=pat)).status_code == 403
        assert (await server.ask("GET", path, pat="")).status_code == 401
