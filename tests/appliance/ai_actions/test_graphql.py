"""The whole way of an answer, as a client library that nobody here wrote goes it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from gql import Client, GraphQLRequest
from gql.client import AsyncClientSession
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.websockets import WebsocketsTransport

from tests.appliance.ai_actions.usecases.builders import Lab, an_equipped_lab
from tests.appliance.conftest import FilledHome
from tests.fakes.gateway import FakeGateway, Played, agent_parts, prompt_parts
from tests.served_instance import ServedInstance, served_instance

PATIENCE_S = 30
ASK = """mutation ($input: AiActionInput!) {
  aiAction(input: $input) { requestId threadId errors } }"""
HEAR = """subscription ($userId: UserID, $resourceId: AiModelID, $aiAction: AiAction,
  $clientSubscriptionId: String) {
  aiCompletionResponse(userId: $userId, resourceId: $resourceId, aiAction: $aiAction,
    clientSubscriptionId: $clientSubscriptionId) {
    requestId content contentHtml errors role chunkId type } }"""
READ = """query ($requestIds: [ID!]) {
  aiMessages(requestIds: $requestIds, roles: [ASSISTANT]) { nodes { content errors } } }"""


@dataclass
class Journey:
    """Ada asks a served instance, whose gateway says what a test sets."""

    lab: Lab
    gateway: FakeGateway
    instance: ServedInstance
    pat: str

    def gid(self, kind: str) -> str:
        found = self.lab.users["ada"] if kind == "User" else self.lab.found[kind]
        return f"gid://gitlab/{kind}/{found.id}"

    async def ask(self, **wish: Any) -> Any:
        return (await self._execute(ASK, input=wish))["aiAction"]

    async def read(self, request_id: str) -> list[Any]:
        """The answer to a request, as who polls gets it."""
        found = await self._execute(READ, requestIds=[request_id])
        messages: list[Any] = found["aiMessages"]["nodes"]
        return messages

    async def _execute(self, document: str, **variables: Any) -> Any:
        transport = AIOHTTPTransport(
            f"{self.instance.url}/api/graphql", headers={"PRIVATE-TOKEN": self.pat}
        )
        async with Client(transport=transport) as session:
            return await session.execute(GraphQLRequest(document, variable_values=variables))

    @asynccontextmanager
    async def hearing(self, **named: Any) -> AsyncIterator["asyncio.Queue[Any]"]:
        """What comes in answer, from the moment in which nothing is missed any more."""
        transport = WebsocketsTransport(
            f"{self.instance.url.replace('http', 'ws', 1)}/api/graphql",
            init_payload={"Authorization": f"Bearer {self.pat}"},
            connect_args={"proxy": None},
        )
        came: asyncio.Queue[Any] = asyncio.Queue()
        variables = {"userId": self.gid("User"), **named}
        before = self.instance.deliveries.count

        async def listen(session: AsyncClientSession) -> None:
            request = GraphQLRequest(HEAR, variable_values=variables)
            async for found in session.subscribe(request):
                came.put_nowait(found["aiCompletionResponse"])

        async with Client(transport=transport) as session, asyncio.TaskGroup() as group:
            listening = group.create_task(listen(session))
            async with asyncio.timeout(PATIENCE_S):
                while self.instance.deliveries.count == before:
                    await asyncio.sleep(0.01)
            yield came
            listening.cancel()


@pytest.fixture
async def journey(filled: FilledHome) -> AsyncIterator[Journey]:
    gateway = FakeGateway()
    await gateway.start()
    async with served_instance(filled, ai_gateway_url=gateway.url) as instance:
        lab = an_equipped_lab(instance.db)
        wish = {"name": "gql", "scopes": ["ai_features"]}
        async with httpx.AsyncClient(headers={"PRIVATE-TOKEN": instance.admin_token}) as admin:
            path = f"{instance.url}/api/v4/users/{lab.users['ada'].id}/personal_access_tokens"
            pat = (await admin.post(path, json=wish)).json()["token"]
        yield Journey(lab, gateway, instance, pat)
    await gateway.stop()


async def _next(came: "asyncio.Queue[Any]") -> Any:
    async with asyncio.timeout(PATIENCE_S):
        return await came.get()


async def test_a_question_is_answered_in_parts_then_whole_and_can_be_read_again(
    journey: Journey,
) -> None:
    parts = agent_parts(*(("final_answer_delta", {"text": each}) for each in ("It is ", "*cold*")))
    journey.gateway.script = [Played(parts=parts)]
    async with journey.hearing(aiAction="CHAT", clientSubscriptionId="tab") as came:
        got = await journey.ask(
            chat={"content": "Hot?", "resourceId": journey.gid("User")}, clientSubscriptionId="tab"
        )
        assert got["errors"] == []
        heard = [await _next(came)]
        while heard[-1]["chunkId"] is not None:
            heard.append(await _next(came))
    *chunks, whole = heard
    assert [each["chunkId"] for each in chunks] == list(range(1, len(chunks) + 1))
    assert "".join(each["content"] for each in chunks) == whole["content"] == "It is *cold*"
    assert whole["contentHtml"] == "<p>It is <em>cold</em></p>\n"
    assert {each["requestId"] for each in heard} == {got["requestId"]}
    assert await journey.read(got["requestId"]) == [{"content": "It is *cold*", "errors": []}]


async def test_an_action_is_answered_once_and_to_the_tab_that_asked(journey: Journey) -> None:
    journey.lab.note("Issue", "It melts at noon.")
    journey.gateway.script = [Played(parts=prompt_parts("It ", "melts."))]
    about = {"resourceId": journey.gid("Issue")}
    mine = journey.hearing(**about, clientSubscriptionId="mine")
    other = journey.hearing(**about, clientSubscriptionId="other")
    async with mine as heard, other as unheard:
        got = await journey.ask(summarizeComments=about, clientSubscriptionId="mine")
        answer = await _next(heard)
        assert (answer["content"], answer["chunkId"]) == ("It melts.", None)
        assert await journey.read(got["requestId"]) == [{"content": "It melts.", "errors": []}]
        assert (heard.empty(), unheard.empty()) == (True, True)


async def test_without_its_gateway_a_question_ends_with_a_code(journey: Journey) -> None:
    await journey.gateway.stop()
    async with journey.hearing(aiAction="CHAT", clientSubscriptionId="tab") as came:
        got = await journey.ask(chat={"content": "Hot?"}, clientSubscriptionId="tab")
        answer = await _next(came)
    assert "A1001" in answer["content"]
    assert len(answer["errors"]) == 1
    assert [each["content"] for each in await journey.read(got["requestId"])] == [answer["content"]]
