import json
from typing import Any

import pytest

from appliance.ai_actions.rules.codes import CODES
from tests.appliance.ai_actions.graphql.conftest import Hall
from tests.appliance.ai_actions.graphql.test_asking import ASK, NOT_AVAILABLE, gid

# As GitLab's editors poll.
MESSAGES = """query ($requestIds: [ID!], $roles: [AiMessageRole!],
  $threadId: AiConversationThreadID, $first: Int,
  $conversationType: AiConversationsThreadsConversationType) {
  aiMessages(requestIds: $requestIds, roles: $roles, threadId: $threadId,
    conversationType: $conversationType, first: $first) {
    nodes { requestId role content contentHtml timestamp errors chunkId
      extras { sources additionalContext { id category metadata } } }
    pageInfo { hasNextPage } } }"""
THREADS = """query ($type: AiConversationsThreadsConversationType, $id: AiConversationThreadID) {
  aiConversationThreads(conversationType: $type, id: $id) {
    nodes { id title conversationType createdAt lastUpdatedAt } } }"""
COMMANDS = "query ($url: String!) { aiSlashCommands(url: $url) { name description shouldSubmit } }"
PRESETS = """query ($url: String, $resourceId: AiModelID, $count: Int) {
  aiChatContextPresets(url: $url, resourceId: $resourceId, questionCount: $count) {
    questions aiResourceData } }"""


async def _ask(hall: Hall, caller: Any, **wish: Any) -> Any:
    return await hall.data(caller, ASK, input=wish)


async def _said(hall: Hall, caller: Any, **wanted: Any) -> list[tuple[str, str]]:
    found = (await hall.data(caller, MESSAGES, **wanted))["nodes"]
    return [(each["role"], each["content"]) for each in found]


async def test_who_missed_an_answer_reads_it(hall: Hall) -> None:
    ada, bob = await hall.person("ada"), await hall.person("bob")
    got = await _ask(hall, ada, chat={"content": "Hi"})
    wanted = {"requestIds": [got["requestId"]], "roles": ["ASSISTANT"]}
    assert await _said(hall, ada, **wanted) == []
    hall.finish(hall.started[-1][0], "*Hey*")
    (message,) = (await hall.data(ada, MESSAGES, **wanted))["nodes"]
    assert (message["content"], message["chunkId"]) == ("*Hey*", None)
    assert message["contentHtml"] == "<p><em>Hey</em></p>\n"
    assert await _said(hall, ada, requestIds=[got["requestId"]]) == [
        ("USER", "Hi"),
        ("ASSISTANT", "*Hey*"),
    ]
    assert await _said(hall, bob, **wanted) == []


async def test_every_action_s_answer_is_read_in_the_same_way(hall: Hall) -> None:
    ada = await hall.person("ada")
    issue = hall.issue(hall.project(hall.group("lab", ada)))
    about = {"resourceId": gid("Issue", issue.id)}
    got = await _ask(hall, ada, summarizeComments=about)
    hall.finish(hall.started[-1][0], "short", code="M4004", errors=("none",))
    wanted = {"requestIds": [got["requestId"]]}
    (message,) = (await hall.data(ada, MESSAGES, **wanted, roles=["ASSISTANT"]))["nodes"]
    assert (message["content"], message["errors"]) == ("short", ["none"])
    assert await _said(hall, ada, **wanted, roles=["USER"]) == []


async def test_a_conversation_is_read_by_its_id_or_as_the_newest_of_its_type(hall: Hall) -> None:
    ada, bob = await hall.person("ada"), await hall.person("bob")
    first = await _ask(hall, ada, chat={"content": "one"}, conversationType="DUO_CHAT")
    hall.asker.server.clock.advance(seconds=1)
    await _ask(hall, ada, chat={"content": "two"}, conversationType="DUO_CHAT")
    await _ask(hall, ada, chat={"content": "three"}, conversationType="DUO_QUICK_CHAT")
    assert await _said(hall, ada, conversationType="DUO_CHAT") == [("USER", "two")]
    assert await _said(hall, ada, threadId=first["threadId"]) == [("USER", "one")]
    assert await _said(hall, bob, threadId=first["threadId"]) == []


async def test_messages_come_in_pages(hall: Hall) -> None:
    ada = await hall.person("ada")
    for text in ("one", "two"):
        await _ask(hall, ada, chat={"content": text})
    got = await hall.data(ada, MESSAGES, first=1)
    assert ([each["content"] for each in got["nodes"]], got["pageInfo"]["hasNextPage"]) == (
        ["one"],
        True,
    )


async def test_one_asks_after_a_hundred_requests_at_once(hall: Hall) -> None:
    ada = await hall.person("ada")
    assert await _said(hall, ada, requestIds=["x"] * 100) == []
    assert await _said(hall, ada, requestIds=[]) == []
    error = await hall.error(ada, MESSAGES, requestIds=["x"] * 101)
    assert error["extensions"]["code"] == "invalid_fields"


async def test_names_that_no_request_can_have_are_unknown(hall: Hall) -> None:
    ada = await hall.person("ada")
    assert await _said(hall, ada, requestIds=["a\0b", "a\ud800b"]) == []


async def test_conversations_are_listed_to_who_leads_them(hall: Hall) -> None:
    ada, bob = await hall.person("ada"), await hall.person("bob")
    first = await _ask(hall, ada, chat={"content": "one"}, conversationType="DUO_CHAT")
    hall.asker.server.clock.advance(seconds=1)
    await _ask(hall, ada, chat={"content": "two"}, conversationType="DUO_QUICK_CHAT")
    titles = [each["title"] for each in (await hall.data(ada, THREADS))["nodes"]]
    assert titles == ["two", "one"]
    (found,) = (await hall.data(ada, THREADS, type="DUO_CHAT"))["nodes"]
    assert (found["id"], found["conversationType"]) == (first["threadId"], "DUO_CHAT")
    (found,) = (await hall.data(ada, THREADS, id=first["threadId"]))["nodes"]
    assert found["title"] == "one"
    assert (await hall.data(bob, THREADS, id=first["threadId"]))["nodes"] == []


async def test_slash_commands_depend_on_the_page_and_on_who_asks(hall: Hall) -> None:
    ada, bob = await hall.person("ada"), await hall.person("bob", has_seat=False)
    hall.project(hall.group("lab", ada))
    page = "http://instance.test/lab/test/-/issues/1"
    names = {each["name"] for each in await hall.data(ada, COMMANDS, url=page)}
    assert {"/explain", "/summarize_comments", "/help", "/new"} <= names
    elsewhere = {each["name"] for each in await hall.data(ada, COMMANDS, url="http://i/")}
    assert names - elsewhere == {"/summarize_comments"}
    without = {each["name"] for each in await hall.data(bob, COMMANDS, url=page)}
    assert without == {"/help", "/clear", "/new", "/reset"}


async def test_presets_fit_what_is_shown(hall: Hall) -> None:
    ada = await hall.person("ada")
    issue = hall.issue(hall.project(hall.group("lab", ada)), "Broken")
    about = gid("Issue", issue.id)
    got = await hall.data(ada, PRESETS, resourceId=about, count=2)
    assert len(got["questions"]) == 2
    assert json.loads(got["aiResourceData"]) == {"type": "Issue", "id": about, "title": "Broken"}
    by_page = await hall.data(ada, PRESETS, url="http://i/lab/test/-/issues/1", count=2)
    assert by_page == {"questions": got["questions"], "aiResourceData": None}
    anywhere = await hall.data(ada, PRESETS)
    assert len(anywhere["questions"]) == 4
    assert anywhere["questions"][:2] != got["questions"]


async def test_presets_tell_nothing_of_what_may_not_be_seen(hall: Hall) -> None:
    ada = await hall.person("ada")
    hidden = hall.issue(hall.project(hall.group("secret")))
    error = await hall.error(ada, PRESETS, resourceId=gid("Issue", hidden.id))
    assert NOT_AVAILABLE in error["message"]


@pytest.mark.parametrize("scope", ["read_api", "ai_features"])
async def test_codes_are_explained_to_everybody(hall: Hall, scope: str) -> None:
    ada = await hall.person("ada", scope, has_seat=False)
    found = await hall.data(ada, "{ aiErrorCodes { code message fix } }")
    assert {each["code"] for each in found} == set(CODES)
