import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from appliance.ai_actions.rules import Message, Request
from appliance.graphql.rest.executing import Answered, Event, Refused, Subscribed
from tests.appliance.ai_actions.graphql.conftest import Hall
from tests.appliance.ai_actions.graphql.test_asking import ASK, gid
from tests.instance_builders import NOW

# As GitLab's editors ask.
LISTEN = """subscription ($userId: UserID, $resourceId: AiModelID, $aiAction: AiAction,
  $clientSubscriptionId: String, $htmlResponse: Boolean = true) {
  aiCompletionResponse(userId: $userId, resourceId: $resourceId, aiAction: $aiAction,
    clientSubscriptionId: $clientSubscriptionId) {
    id requestId content contentHtml @include(if: $htmlResponse) errors role timestamp type chunkId
    threadId agentVersionId
    extras { sources hasFeedback additionalContext { id category content metadata } } } }"""


async def _next(events: AsyncIterator[Event]) -> Any:
    """The next message; fails when none comes."""
    async with asyncio.timeout(20):
        event = await anext(events)
    assert isinstance(event, Answered), event
    assert "errors" not in event.answer
    return event.answer["data"]["aiCompletionResponse"]


async def _subscribed(events: AsyncIterator[Event]) -> None:
    async with asyncio.timeout(20):
        assert isinstance(await anext(events), Subscribed)


async def _asked(hall: Hall, caller: Any, **wish: Any) -> tuple[Request, Message | None]:
    await hall.data(caller, ASK, input=wish)
    return hall.started[-1]


def _chunk(request: Request, text: str, number: int) -> Message:
    return Message(
        uid="u",
        request_uid=request.uid,
        role="ASSISTANT",
        timestamp=NOW,
        content=text,
        chunk_id=number,
        thread_id=request.thread_id,
    )


async def test_parts_come_as_they_are_and_then_the_whole(hall: Hall) -> None:
    ada = await hall.person("ada")
    named = {"userId": gid("User", ada.user.id), "clientSubscriptionId": "tab"}
    async with hall.listening(ada, LISTEN, **named, aiAction="CHAT") as events:
        await _subscribed(events)
        request, _ = await _asked(hall, ada, chat={"content": "Hi"}, clientSubscriptionId="tab")
        hall.deliveries.deliver(request, _chunk(request, "*He", 1))
        hall.deliveries.deliver_whole(request, hall.finish(request, "*Hey*"))
        part, whole = await _next(events), await _next(events)
    assert (part["content"], part["chunkId"], part["contentHtml"]) == ("*He", 1, None)
    assert (whole["content"], whole["chunkId"], whole["role"]) == ("*Hey*", None, "ASSISTANT")
    assert whole["contentHtml"] == "<p><em>Hey</em></p>\n"
    assert part["requestId"] == whole["requestId"] == request.uid
    assert whole["threadId"] == gid("Ai::Conversation::Thread", request.thread_id or 0)
    assert (whole["errors"], whole["type"]) == ([], None)
    assert whole["timestamp"] == NOW.isoformat()


async def test_what_belongs_to_a_message_is_told_with_it(hall: Hall) -> None:
    ada = await hall.person("ada")
    added = {"category": "file", "id": "1", "content": "x", "metadata": {"a": [1]}}
    odd = {"category": "of_a_later_release", "id": "2"}
    async with hall.listening(ada, LISTEN, htmlResponse=False, aiAction="CHAT") as events:
        await _subscribed(events)
        request, _ = await _asked(hall, ada, chat={"content": "Hi"})
        extras = {"sources": [{"title": "T"}], "additionalContext": [added, odd]}
        hall.deliveries.deliver_whole(request, hall.finish(request, "Hey", extras=extras))
        got = await _next(events)
    assert "contentHtml" not in got
    assert got["extras"] == {
        "sources": [{"title": "T"}],
        "hasFeedback": False,
        "additionalContext": [{**added, "category": "FILE"}],
    }


async def test_two_features_on_one_resource_do_not_hear_each_other(hall: Hall) -> None:
    ada = await hall.person("ada")
    issue = hall.issue(hall.project(hall.group("lab", ada)))
    named = {"userId": gid("User", ada.user.id), "resourceId": gid("Issue", issue.id)}
    about = {"resourceId": gid("Issue", issue.id)}
    one = hall.listening(ada, LISTEN, **named, clientSubscriptionId="one")
    other = hall.listening(ada, LISTEN, **named, clientSubscriptionId="other")
    async with one as ones, other as others:
        await _subscribed(ones)
        await _subscribed(others)
        first, _ = await _asked(hall, ada, summarizeComments=about, clientSubscriptionId="one")
        code = {**about, "code": "pass"}
        second, _ = await _asked(hall, ada, explainCode=code, clientSubscriptionId="other")
        hall.deliveries.deliver_whole(second, hall.finish(second, "2"))
        hall.deliveries.deliver_whole(first, hall.finish(first, "1"))
        assert (await _next(ones))["content"] == "1"
        assert (await _next(others))["content"] == "2"
        hall.deliveries.stop()
        for rest in (ones, others):
            assert [each async for each in rest] == []


async def test_without_a_name_the_user_and_the_resource_decide(hall: Hall) -> None:
    ada, bob = await hall.person("ada"), await hall.person("bob")
    issue = hall.issue(hall.project(hall.group("lab", ada, bob)))
    about = {"resourceId": gid("Issue", issue.id)}
    mine = hall.listening(ada, LISTEN, **about, userId=gid("User", ada.user.id))
    theirs = hall.listening(bob, LISTEN, **about, userId=gid("User", bob.user.id))
    async with mine as own, theirs as others:
        await _subscribed(own)
        await _subscribed(others)
        request, _ = await _asked(hall, ada, summarizeComments=about)
        hall.deliveries.deliver_whole(request, hall.finish(request, "said"))
        assert (await _next(own))["content"] == "said"
        hall.deliveries.stop()
        assert [each async for each in others] == []


async def test_what_a_user_says_is_told_in_all_of_their_tabs(hall: Hall) -> None:
    ada = await hall.person("ada")
    async with hall.listening(ada, LISTEN, aiAction="CHAT") as events:
        await _subscribed(events)
        request, question = await _asked(
            hall, ada, chat={"content": "Hi"}, clientSubscriptionId="another tab"
        )
        assert question is not None
        hall.deliveries.deliver(request, question)
        got = await _next(events)
    assert (got["role"], got["content"], got["requestId"]) == ("USER", "Hi", request.uid)


async def test_nobody_listens_to_another_user(hall: Hall) -> None:
    ada, bob = await hall.person("ada"), await hall.person("bob")
    wish = {"userId": gid("User", bob.user.id), "aiAction": "CHAT"}
    async with hall.listening(ada, LISTEN, **wish) as events:
        (event,) = [each async for each in events]
    assert isinstance(event, Refused)
    assert event.errors[0]["extensions"]["code"] == "another_users_answers"
    assert hall.deliveries.count == 0


async def test_a_name_to_listen_under_has_a_length(hall: Hall) -> None:
    ada = await hall.person("ada")
    async with hall.listening(ada, LISTEN, clientSubscriptionId="x" * 256) as events:
        (event,) = [each async for each in events]
    assert isinstance(event, Refused)
    assert event.errors[0]["extensions"]["code"] == "invalid_fields"


@pytest.mark.parametrize("scope", ["api", "read_api", "ai_features"])
async def test_each_kind_of_token_may_listen(hall: Hall, scope: str) -> None:
    ada = await hall.person("ada", scope, has_seat=False)
    async with hall.listening(ada, LISTEN, aiAction="CHAT") as events:
        await _subscribed(events)
        assert hall.deliveries.count == 1
    assert hall.deliveries.count == 0


# As the seed has them.
SUMMARIZE = """mutation {
  aiAction(input: {summarizeComments: {resourceId: "gid://gitlab/Issue/52"}}) {
    clientMutationId
  }
}"""
EXPLAIN = """mutation {
  aiAction(
    input: {
      explainCode: { resourceId: "gid://gitlab/MergeRequest/52", code: "foo() { console.log() }" }
    }
  ) {
    clientMutationId
  }
}"""
SUMMARIZE_AS = """mutation {
  aiAction(
    input: {
      summarizeComments: { resourceId: "gid://gitlab/Issue/52" }
      clientSubscriptionId: "randomId"
    }
  ) {
    clientMutationId
  }
}"""
HEAR = """subscription aiCompletionResponse(
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
}"""


async def test_the_seed_s_documents_do_what_it_says(hall: Hall) -> None:
    ada = await hall.person("ada")
    hall.fill_up_to(hall.project(hall.group("lab", ada)), 52)
    user = gid("User", ada.user.id)
    issue, change = gid("Issue", 52), gid("MergeRequest", 52)
    named = {"userId": user, "resourceId": issue, "clientSubscriptionId": "randomId"}
    async with (
        hall.listening(ada, HEAR, userId=user, resourceId=issue) as plain,
        hall.listening(ada, HEAR, **named) as random,
        hall.listening(ada, HEAR, userId=user, resourceId=change) as code,
    ):
        for each in (plain, random, code):
            await _subscribed(each)
        for document in (SUMMARIZE, EXPLAIN, SUMMARIZE_AS):
            assert await hall.data(ada, document) == {"clientMutationId": None}
        for number, (request, _) in enumerate(hall.started):
            hall.deliveries.deliver_whole(request, hall.finish(request, f"answer {number}"))
        found = [await _next(each) for each in (plain, code, random)]
        hall.deliveries.stop()
        assert [event for each in (plain, random, code) async for event in each] == []
    assert found == [{"content": f"answer {number}", "errors": []} for number in range(3)]
