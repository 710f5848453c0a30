from typing import Any

from tests.appliance.ai_actions.graphql.conftest import Hall
from tests.appliance.ai_actions.graphql.test_asking import ASK
from tests.appliance.ai_actions.graphql.test_queries import MESSAGES, THREADS

CANCEL = """mutation ($input: AiActionCancelInput!) {
  aiActionCancel(input: $input) { errors clientMutationId } }"""
DELETE = """mutation ($input: DeleteConversationThreadInput!) {
  deleteConversationThread(input: $input) { success errors clientMutationId } }"""
JUDGE = """mutation ($input: DuoUserFeedbackInput!) {
  duoUserFeedback(input: $input) { errors clientMutationId } }"""
MARKS = "{ aiMessages { nodes { id role extras { hasFeedback } } } }"


async def _ask(hall: Hall, caller: Any) -> Any:
    return await hall.data(caller, ASK, input={"chat": {"content": "Hi"}})


async def test_a_request_is_cancelled_by_who_made_it(hall: Hall) -> None:
    ada, bob = await hall.person("ada"), await hall.person("bob")
    uid = (await _ask(hall, ada))["requestId"]
    theirs = await hall.data(bob, CANCEL, input={"requestId": uid})
    assert len(theirs["errors"]) == 1
    got = await hall.data(ada, CANCEL, input={"requestId": uid, "clientMutationId": "m"})
    assert got == {"errors": [], "clientMutationId": "m"}
    assert hall.cancelled == [uid]


async def test_what_has_ended_is_not_cancelled(hall: Hall) -> None:
    ada = await hall.person("ada")
    uid = (await _ask(hall, ada))["requestId"]
    hall.finish(hall.started[-1][0], "Hey")
    for name in (uid, "unknown", "a\0b", "a\ud800b"):
        assert len((await hall.data(ada, CANCEL, input={"requestId": name}))["errors"]) == 1
    assert hall.cancelled == []


async def test_a_conversation_is_deleted_by_who_leads_it(hall: Hall) -> None:
    ada, bob = await hall.person("ada"), await hall.person("bob")
    thread = (await _ask(hall, ada))["threadId"]
    theirs = await hall.data(bob, DELETE, input={"threadId": thread})
    assert (theirs["success"], len(theirs["errors"])) == (False, 1)
    got = await hall.data(ada, DELETE, input={"threadId": thread, "clientMutationId": "m"})
    assert got == {"success": True, "errors": [], "clientMutationId": "m"}
    assert (await hall.data(ada, THREADS))["nodes"] == []
    assert (await hall.data(ada, MESSAGES, threadId=thread))["nodes"] == []


async def test_that_an_answer_was_judged_is_kept_with_it(hall: Hall) -> None:
    ada, bob = await hall.person("ada"), await hall.person("bob")
    await _ask(hall, ada)
    answer = hall.finish(hall.started[-1][0], "Hey")
    wish = {"aiMessageId": answer.uid}
    event = {"category": "chat", "action": "click", "extra": {"a": 1}}
    theirs = await hall.data(bob, JUDGE, input=wish)
    unknown = await hall.data(bob, JUDGE, input={"aiMessageId": "a\0b"})
    assert len(theirs["errors"]) == len(unknown["errors"]) == 1
    got = await hall.data(ada, JUDGE, input={**wish, "trackingEvent": event})
    assert got == {"errors": [], "clientMutationId": None}
    marks = (await hall.data(ada, MARKS))["nodes"]
    assert [(each["role"], each["extras"]["hasFeedback"]) for each in marks] == [
        ("USER", False),
        ("ASSISTANT", True),
    ]


async def test_reading_tokens_change_nothing(hall: Hall) -> None:
    ada = await hall.person("ada", "read_api", has_seat=False)
    for query, wish in (
        (CANCEL, {"requestId": "x"}),
        (DELETE, {"threadId": "gid://gitlab/Ai::Conversation::Thread/1"}),
        (JUDGE, {"aiMessageId": "x"}),
    ):
        error = await hall.error(ada, query, input=wish)
        assert error["extensions"]["code"] == "insufficient_scope"
