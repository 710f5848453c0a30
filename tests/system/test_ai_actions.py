"""AI actions with real vLLM: asked for, heard and read with clients that nobody here wrote."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import gitlab
import pytest
from gitlab.v4.objects import Project
from gql import Client, GraphQLRequest, gql
from gql.client import AsyncClientSession, ReconnectingAsyncClientSession
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.websockets import WebsocketsTransport
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.system.driver import Appliance

# A small model talks until it may not, on whatever cores there are.
ANSWERED_WITHIN_S = 400.0
SEED_NUMBER = 52

# Seed 004's documents, word for word.
SUMMARIZE = """
mutation {
  aiAction(input: {summarizeComments: {resourceId: "gid://gitlab/Issue/52"}}) {
    clientMutationId
  }
}
"""
EXPLAIN = """
mutation {
  aiAction(
    input: {
      explainCode: { resourceId: "gid://gitlab/MergeRequest/52", code: "foo() { console.log() }" }
    }
  ) {
    clientMutationId
  }
}
"""
SUMMARIZE_WITH_ID = """
mutation {
  aiAction(
    input: {
      summarizeComments: { resourceId: "gid://gitlab/Issue/52" }
      clientSubscriptionId: "randomId"
    }
  ) {
    clientMutationId
  }
}
"""
LISTEN = """
subscription aiCompletionResponse(
  $userId: UserID
  $resourceId: AiModelID
  $clientSubscriptionId: String
) {
  aiCompletionResponse(
    userId: $userId
    resourceId: $resourceId
    clientSubscriptionId: $clientSubscriptionId
  ) {
    content
    errors
  }
}
"""

# As GitLab's editors ask and listen.
CHAT = """
mutation chat($question: String!, $clientSubscriptionId: String) {
  aiAction(input: {
    chat: {content: $question}, conversationType: DUO_CHAT,
    clientSubscriptionId: $clientSubscriptionId
  }) { requestId threadId errors }
}
"""
EXPLAIN_FOR = """
mutation explain($resourceId: AiModelID!, $clientSubscriptionId: String) {
  aiAction(input: {
    explainCode: {resourceId: $resourceId, code: "print(1)"},
    clientSubscriptionId: $clientSubscriptionId
  }) { requestId errors }
}
"""
SUMMARIZE_FOR = EXPLAIN_FOR.replace(
    'explainCode: {resourceId: $resourceId, code: "print(1)"}',
    "summarizeComments: {resourceId: $resourceId}",
)
LISTEN_TO_CHAT = """
subscription chat(
  $userId: UserID, $aiAction: AiAction, $clientSubscriptionId: String, $htmlResponse: Boolean!
) {
  aiCompletionResponse(
    userId: $userId, aiAction: $aiAction, clientSubscriptionId: $clientSubscriptionId
  ) {
    id requestId content contentHtml @include(if: $htmlResponse) errors role timestamp type chunkId
    extras { sources additionalContext { id category metadata } }
  }
}
"""
MESSAGES = """
query messages($ids: [ID!]) {
  aiMessages(requestIds: $ids) { nodes { requestId role content errors chunkId } }
}
"""


def variables(query: str, **values: Any) -> GraphQLRequest:
    return gql(query) if not values else GraphQLRequest(query, variable_values=values)


@dataclass(frozen=True, kw_only=True)
class Person:
    """The admin of the appliance as the clients' libraries know them."""

    appliance: Appliance
    id: int

    @property
    def gid(self) -> str:
        return f"gid://gitlab/User/{self.id}"

    @property
    def url(self) -> str:
        return str(self.appliance.told["instance_url"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.appliance.personal_token()}"}

    async def do(self, query: str, **values: Any) -> dict[str, Any]:
        """One query or mutation, over HTTP."""
        transport = AIOHTTPTransport(url=f"{self.url}/api/graphql", headers=self.headers)
        async with Client(transport=transport) as session:
            done: dict[str, Any] = await session.execute(variables(query, **values))
            return done

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[AsyncClientSession | ReconnectingAsyncClientSession]:
        """A socket that speaks graphql-transport-ws."""
        transport = WebsocketsTransport(
            url=f"{self.url.replace('http', 'ws', 1)}/api/graphql",
            init_payload=self.headers,
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        )
        async with Client(transport=transport) as session:
            yield session


@pytest.fixture(scope="module")
def person(appliance: Appliance) -> Person:
    client = gitlab.Gitlab(
        appliance.told["instance_url"],
        private_token=appliance.personal_token(),
        keep_base_url=True,
    )
    client.session.trust_env = False
    client.auth()
    assert client.user is not None
    return Person(appliance=appliance, id=client.user.id)


@pytest.fixture(scope="module")
def project(person: Person) -> Iterator[Project]:
    """A project with the issue and the merge request that the seed speaks of."""
    client = gitlab.Gitlab(
        person.url, private_token=person.appliance.personal_token(), keep_base_url=True
    )
    client.session.trust_env = False
    group = client.groups.create({"name": "Actions", "path": "actions"})
    made = client.projects.create({"name": "Test", "namespace_id": group.id})
    project = client.projects.get(made.id)
    while (issue := project.issues.create({"title": "The build is slow"})).id < SEED_NUMBER:
        pass
    for body in ("It takes an hour since Monday.", "The cache is not used any more."):
        issue.notes.create({"body": body})
    branches = {"title": "Log more", "source_branch": "log", "target_branch": "main"}
    while project.mergerequests.create(branches).id < SEED_NUMBER:
        pass
    assert project.issues.get(issue.iid).id == SEED_NUMBER
    yield project
    client.projects.delete(project.id)


async def heard(session: Any, query: str, until: str | None, **values: Any) -> list[dict[str, Any]]:
    """What comes until the answer is whole; `until` is the request that is meant, None: any."""
    found: list[dict[str, Any]] = []
    async for data in session.subscribe(variables(query, **values)):
        message = data["aiCompletionResponse"]
        found.append(message)
        if message.get("chunkId") is None and message.get("role", "ASSISTANT") == "ASSISTANT":
            break
    assert until is None or {each["requestId"] for each in found} == {until}
    return found


async def listen_then(person: Person, mutation: str, query: str, **values: Any) -> Any:
    """What is heard of a mutation that is sent once somebody listens."""
    async with asyncio.timeout(ANSWERED_WITHIN_S), person.listening() as session:
        listening = asyncio.create_task(heard(session, query, None, **values))
        # The subscription goes out at once; the mutation takes a connection of its own first.
        await asyncio.sleep(0.5)
        done = await person.do(mutation)
        return done, await listening


@pytest.mark.usefixtures("project")
async def test_the_seed_s_documents_run_unchanged(person: Person) -> None:
    issue = {"userId": person.gid, "resourceId": f"gid://gitlab/Issue/{SEED_NUMBER}"}
    request = {"userId": person.gid, "resourceId": f"gid://gitlab/MergeRequest/{SEED_NUMBER}"}
    for mutation, values in (
        (SUMMARIZE, issue),
        (EXPLAIN, request),
        (SUMMARIZE_WITH_ID, {**issue, "clientSubscriptionId": "randomId"}),
    ):
        done, (message,) = await listen_then(person, mutation, LISTEN, **values)
        assert done == {"aiAction": {"clientMutationId": None}}
        assert message["errors"] == []
        assert message["content"]


async def test_a_chat_is_heard_in_chunks_and_then_as_a_whole(person: Person) -> None:
    own = str(uuid.uuid4())
    values = {
        "userId": person.gid,
        "aiAction": "CHAT",
        "clientSubscriptionId": own,
        "htmlResponse": True,
    }
    async with asyncio.timeout(ANSWERED_WITHIN_S), person.listening() as session:
        listening = asyncio.create_task(heard(session, LISTEN_TO_CHAT, None, **values))
        await asyncio.sleep(0.5)
        question = {"question": "What is a commit?", "clientSubscriptionId": own}
        done = (await person.do(CHAT, **question))["aiAction"]
        found = await listening
    assert done["errors"] == []
    assert {each["requestId"] for each in found} == {done["requestId"]}
    assert_chunks_then_whole(found)
    told = (await person.do(MESSAGES, ids=[done["requestId"]]))["aiMessages"]["nodes"]
    assert [(each["role"], each["content"]) for each in told] == [
        ("USER", "What is a commit?"),
        ("ASSISTANT", found[-1]["content"]),
    ]


def assert_chunks_then_whole(found: list[dict[str, Any]]) -> None:
    *chunks, whole = [each for each in found if each["role"] == "ASSISTANT"]
    assert whole["errors"] == []
    assert whole["contentHtml"]
    assert chunks
    assert [each["chunkId"] for each in chunks] == list(range(1, len(chunks) + 1))
    assert all(each["contentHtml"] is None for each in chunks)
    assert "".join(each["content"] for each in chunks).strip() == whole["content"].strip()


@asynccontextmanager
async def cable(person: Person) -> AsyncIterator[ClientConnection]:
    async with connect(
        f"{person.url.replace('http', 'ws', 1)}/-/cable",
        additional_headers=person.headers,
        origin=Origin(person.url),
        subprotocols=[Subprotocol("actioncable-v1-json")],
        proxy=None,
    ) as socket:
        assert json.loads(await socket.recv()) == {"type": "welcome"}
        yield socket


async def frame(socket: ClientConnection) -> dict[str, Any]:
    """The next frame that is no ping."""
    while True:
        found: dict[str, Any] = json.loads(await socket.recv())
        if found.get("type") != "ping":
            return found


async def test_the_same_is_heard_over_the_cable(person: Person) -> None:
    own = str(uuid.uuid4())
    asked = {
        "aiAction": "CHAT",
        "clientSubscriptionId": own,
        "htmlResponse": True,
        "userId": person.gid,
    }
    identifier = json.dumps(
        {"channel": "GraphqlChannel", "query": LISTEN_TO_CHAT, "variables": json.dumps(asked)}
    )
    async with asyncio.timeout(ANSWERED_WITHIN_S), cable(person) as socket:
        await socket.send(json.dumps({"command": "subscribe", "identifier": identifier}))
        confirmed = await frame(socket)
        assert confirmed == {"type": "confirm_subscription", "identifier": identifier}
        first = await frame(socket)
        assert first["message"] == {
            "result": {"data": {"aiCompletionResponse": None}},
            "more": True,
        }
        question = {"question": "What is a branch?", "clientSubscriptionId": own}
        done = (await person.do(CHAT, **question))["aiAction"]
        found: list[dict[str, Any]] = []
        while not found or found[-1]["chunkId"] is not None or found[-1]["type"] == "TOOL":
            said = await frame(socket)
            assert said["identifier"] == identifier
            found.append(said["message"]["result"]["data"]["aiCompletionResponse"])
    assert {each["requestId"] for each in found} == {done["requestId"]}
    assert_chunks_then_whole(found)


@pytest.mark.usefixtures("project")
async def test_two_features_and_two_tabs_on_one_issue_never_hear_each_other(
    person: Person,
) -> None:
    issue = f"gid://gitlab/Issue/{SEED_NUMBER}"
    listen = LISTEN.replace("content\n", "requestId content role chunkId\n")
    tabs = {str(uuid.uuid4()): mutation for mutation in (SUMMARIZE_FOR, EXPLAIN_FOR, EXPLAIN_FOR)}
    async with asyncio.timeout(ANSWERED_WITHIN_S), person.listening() as session:
        listening = [
            asyncio.create_task(
                heard(
                    session,
                    listen,
                    None,
                    userId=person.gid,
                    resourceId=issue,
                    clientSubscriptionId=own,
                )
            )
            for own in tabs
        ]
        await asyncio.sleep(0.5)
        asked = await asyncio.gather(
            *(
                person.do(mutation, resourceId=issue, clientSubscriptionId=own)
                for own, mutation in tabs.items()
            )
        )
        found = await asyncio.gather(*listening)
    uids = [each["aiAction"]["requestId"] for each in asked]
    assert [{each["requestId"] for each in tab} for tab in found] == [{uid} for uid in uids]
    assert len(set(uids)) == len(tabs)
