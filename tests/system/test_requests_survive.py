"""An instance that is killed again and again: each request it took on ends, and ends once."""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.system.organisation import Admin, Organisation, Person

KILLS = 50
USERS = 4
ENDED = {"done", "failed", "cancelled"}
# Not how fast it is: how long a machine with much else to do may take.
ALL_END_WITHIN_S = 900.0
# The answer has some thousand parts, 1 ms apart: about as long as the instance lives here. That of
# a summary comes at once.
QUESTION = "Tell me something long, pace 1 ms"

CHAT = """
mutation ($content: String!) {
  aiAction(input: {chat: {content: $content}, conversationType: DUO_CHAT}) { requestId errors }
}
"""
SUMMARISE = """
mutation ($issue: AiModelID!) {
  aiAction(input: {summarizeComments: {resourceId: $issue}}) { requestId errors }
}
"""
MESSAGES = """
query ($ids: [ID!]) {
  aiMessages(requestIds: $ids, roles: [ASSISTANT]) { nodes { requestId content errors } }
}
"""


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisation]:
    made = Organisation(home=tmp_path_factory.mktemp("survivors") / "home")
    made.told["CASEMATE_GATEWAY_PUBLIC_URL"] = f"http://127.0.0.1:{made.ports['gateway']}"
    made.found()
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
async def admin(organisation: Organisation) -> AsyncIterator[Admin]:
    for name in ("mock", "instance", "gateway"):
        organisation.start(name)
    await organisation.until_ready()
    found = organisation.admin()
    async with found.http:
        yield found


@dataclass
class Load:
    """People who ask as soon as there is somebody to ask, and what was taken on for whom."""

    url: str
    people: list[Person]
    issue: str
    taken: dict[str, Person] = field(default_factory=dict)
    is_over: bool = False

    async def run(self) -> None:
        """Asks until it is over."""
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            await asyncio.gather(*(self._ask_on(http, each) for each in self.people))

    async def _ask_on(self, http: httpx.AsyncClient, person: Person) -> None:
        chance = random.Random(person.id)
        while not self.is_over:
            await asyncio.sleep(chance.uniform(0.3, 1.2))
            is_chat = chance.random() < 0.5
            said = {"content": QUESTION} if is_chat else {"issue": self.issue}
            try:
                answer = await self.graphql(http, person, CHAT if is_chat else SUMMARISE, **said)
            except httpx.TransportError:
                continue
            assert "errors" not in answer, answer
            payload = answer["data"]["aiAction"]
            assert payload["errors"] == []
            self.taken[payload["requestId"]] = person

    async def graphql(
        self, http: httpx.AsyncClient, person: Person, query: str, **variables: Any
    ) -> Any:
        """One operation as that person."""
        answer = await http.post(
            f"{self.url}/api/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {person.pat}"},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


def states(home: Path) -> dict[str, str]:
    """Each request with its state, as the database has it."""
    path = home / "instance" / "casemate.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return dict(database.execute("SELECT uid, state FROM ai_requests"))


async def a_discussion(admin: Admin, people: list[Person]) -> str:
    """The global id of an issue that everybody here may read, with two comments."""
    group = await admin.ask("POST", "/groups", {"name": "Lab", "path": "lab"})
    for each in people:
        member = {"user_id": each.id, "access_level": 30}
        await admin.ask("POST", f"/groups/{group['id']}/members", member)
    wish = {"name": "Test", "path": "test", "namespace_id": group["id"]}
    project = await admin.ask("POST", "/projects", wish)
    place = f"/projects/{project['id']}/issues"
    issue = await admin.ask("POST", place, {"title": "It is slow"})
    for body in ("Since Monday.", "And slower every day."):
        await admin.ask("POST", f"{place}/{issue['iid']}/notes", {"body": body})
    return f"gid://gitlab/Issue/{issue['id']}"


async def up_again(organisation: Organisation) -> None:
    organisation.start("instance")
    async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(60):
        while True:
            try:
                await http.get(f"{organisation.instance_url}/-/health")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            return


async def all_ended(organisation: Organisation, load: Load) -> Counter[str]:
    """How many requests ended in which way, once all have."""
    async with asyncio.timeout(ALL_END_WITHIN_S):
        while True:
            found = states(organisation.home)
            if set(found.values()) <= ENDED:
                assert load.taken.keys() <= found.keys()
                return Counter(found.values())
            await asyncio.sleep(0.5)


async def test_each_request_ends_once_however_often_the_instance_is_killed(
    organisation: Organisation, admin: Admin
) -> None:
    people = [await admin.hire(f"person-{number}") for number in range(USERS)]
    await admin.ask("PUT", "/ai/settings", {"ai_action_api_rate_limit": 0})
    issue = await a_discussion(admin, people)
    load = Load(url=organisation.instance_url, people=people, issue=issue)
    asking = asyncio.create_task(load.run())
    chance = random.Random(7)
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.0, 1.5))
        organisation.kill("instance")
        await up_again(organisation)
        assert not asking.done(), asking.exception()
    load.is_over = True
    await asking
    ended = await all_ended(organisation, load)
    print(f"{KILLS} kills, {len(load.taken)} taken on: {dict(ended)}")
    assert len(load.taken) > KILLS
    # Those that were under way at five kills are given up, with a code.
    assert ended["done"] > ended["failed"]
    await assert_answered_once(load)


async def assert_answered_once(load: Load) -> None:
    """Each request that was taken on has one answer, and it is its user's."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        for person in load.people:
            mine = [uid for uid, owner in load.taken.items() if owner is person]
            told: Counter[str] = Counter()
            for start in range(0, len(mine), 50):
                part = mine[start : start + 50]
                answer = await load.graphql(http, person, MESSAGES, ids=part)
                nodes = answer["data"]["aiMessages"]["nodes"]
                told.update(each["requestId"] for each in nodes)
                assert all(each["content"] or each["errors"] for each in nodes)
            assert told == Counter(mine)
