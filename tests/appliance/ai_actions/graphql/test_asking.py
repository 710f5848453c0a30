from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from appliance.ai_actions.jobs import Pace, Workers
from appliance.ai_actions.rules import Address, Answer
from appliance.ai_actions.usecases import Running
from appliance.joints import action_tools
from appliance.resources.rules import Description
from appliance.resources.usecases import change_project
from tests.appliance.ai_actions.graphql.conftest import ADDRESS, Hall
from tests.instance_builders import NOW

ASK = """mutation ($input: AiActionInput!) {
  aiAction(input: $input) { requestId threadId errors clientMutationId } }"""
NOT_AVAILABLE = "does not exist or you don't have permission"
ONE = "Only one method argument is required"


def gid(kind: str, number: int) -> str:
    return f"gid://gitlab/{kind}/{number}"


async def test_a_request_is_stored_and_started_before_it_is_answered(hall: Hall) -> None:
    ada = await hall.person("ada", "ai_features")
    issue = hall.issue(hall.project(hall.group("lab", ada)))
    wish = {
        "summarizeComments": {"resourceId": gid("Issue", issue.id)},
        "clientSubscriptionId": "tab",
        "clientMutationId": "mine",
        "platformOrigin": "test",
    }
    got = await hall.data(ada, ASK, input=wish)
    ((request, question),) = hall.started
    assert got == {
        "requestId": request.uid,
        "threadId": None,
        "errors": [],
        "clientMutationId": "mine",
    }
    assert question is None
    assert (request.action, request.state, request.client_ip) == (
        "summarize_comments",
        "queued",
        ADDRESS,
    )
    assert (request.project_id, request.client_subscription_id) == (issue.project_id, "tab")


async def test_a_question_begins_a_conversation_and_is_told_to_its_asker(hall: Hall) -> None:
    ada = await hall.person("ada")
    wish = {"chat": {"content": "*Hi*", "resourceId": gid("User", ada.user.id)}}
    got = await hall.data(ada, ASK, input={**wish, "conversationType": "DUO_CHAT"})
    ((request, question),) = hall.started
    assert got["threadId"] == f"gid://gitlab/Ai::Conversation::Thread/{request.thread_id}"
    assert question is not None
    assert (question.role, question.content) == ("USER", "*Hi*")
    assert "<em>Hi</em>" in (question.content_html or "")
    again = {**wish, "threadId": got["threadId"]}
    assert (await hall.data(ada, ASK, input=again))["threadId"] == got["threadId"]


# Every variable that an editor has, each by itself.
EDITOR = """mutation ($text: String!, $about: AiModelID, $file: AiCurrentFileInput,
  $added: [AiAdditionalContextInput!], $tab: String, $from: String,
  $type: AiConversationsThreadsConversationType, $thread: AiConversationThreadID) {
  aiAction(input: {
    chat: {content: $text, resourceId: $about, currentFile: $file, additionalContext: $added}
    clientSubscriptionId: $tab, platformOrigin: $from, conversationType: $type, threadId: $thread
  }) { requestId threadId errors } }"""


async def test_what_an_editor_leaves_null_is_not_said(hall: Hall) -> None:
    ada = await hall.person("ada")
    nothing = dict.fromkeys(("about", "file", "added", "tab", "from", "type", "thread"))
    assert (await hall.data(ada, EDITOR, text="Hi", **nothing))["errors"] == []
    assert (await hall.data(ada, EDITOR, text="Hi"))["errors"] == []
    for request, _ in hall.started:
        assert request.inputs == {"content": "Hi"}
        assert (request.resource, request.client_subscription_id) == (None, None)


async def test_what_an_editor_sends_along_is_kept_with_the_request(hall: Hall) -> None:
    ada = await hall.person("ada")
    file = {"fileName": "a.py", "selectedText": "pass", "contentAboveCursor": "#"}
    added = {"category": "SNIPPET", "id": "1", "content": "x = 1", "metadata": {"line": 3}}
    got = await hall.data(ada, EDITOR, text="Hi", file=file, added=[added], tab="t")
    assert got["errors"] == []
    ((request, _),) = hall.started
    assert request.inputs["current_file"] == {
        "file_name": "a.py",
        "selected_text": "pass",
        "content_above_cursor": "#",
        "content_below_cursor": "",
    }
    assert request.inputs["additional_context"] == [{**added, "category": "snippet"}]


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"chat": None},
        {"clientSubscriptionId": "tab"},
        {
            "chat": {"content": "Hi"},
            "summarizeComments": {"resourceId": "gid://gitlab/Issue/1"},
        },
    ],
)
async def test_it_is_exactly_one_action(hall: Hall, wish: dict[str, Any]) -> None:
    ada = await hall.person("ada")
    error = await hall.error(ada, ASK, input=wish)
    assert (error["message"], error["extensions"]["code"]) == (ONE, "one_action_only")
    assert not hall.started


@pytest.mark.parametrize(
    "about",
    [
        "gid://gitlab/Issue/4711",
        "gid://gitlab/Issue/999999999999",
        "gid://gitlab/Epic/1",
        "gid://gitlab/MergeRequest/1",
        "gid://gitlab/Ci::Build/1",
        "gid://gitlab/Vulnerability/1",
        "gid://gitlab/Group/1",
    ],
)
async def test_what_is_not_there_is_not_told_from_what_is_another_s(hall: Hall, about: str) -> None:
    ada = await hall.person("ada")
    hidden = hall.issue(hall.project(hall.group("secret")))
    unseen = {"summarizeComments": {"resourceId": gid("Issue", hidden.id)}}
    theirs = await hall.error(ada, ASK, input=unseen)
    unknown = await hall.error(ada, ASK, input={"summarizeComments": {"resourceId": about}})
    assert NOT_AVAILABLE in theirs["message"]
    assert unknown["message"] == theirs["message"]
    assert unknown["extensions"] == theirs["extensions"]


async def test_other_users_and_projects_are_not_there_either(hall: Hall) -> None:
    ada, bob = await hall.person("ada"), await hall.person("bob")
    hidden = hall.project(hall.group("secret"))
    for wish in (
        {"chat": {"content": "Hi", "resourceId": gid("User", bob.user.id)}},
        {"chat": {"content": "Hi"}, "projectId": gid("Project", hidden.id)},
        {"chat": {"content": "Hi"}, "rootNamespaceId": gid("Group", hidden.namespace_id)},
        {"chat": {"content": "Hi", "namespaceId": gid("Namespace", hidden.namespace_id)}},
    ):
        assert NOT_AVAILABLE in (await hall.error(ada, ASK, input=wish))["message"]
    assert not hall.started


async def test_a_missing_right_is_told_in_the_answer(hall: Hall) -> None:
    ada = await hall.person("ada", has_seat=False)
    with capture_logs() as logs:
        got = await hall.data(ada, ASK, input={"chat": {"content": "Hi"}, "clientMutationId": "m"})
    told = {"event": "ai_action_refused", "action": "chat", "code": "M3004", "log_level": "info"}
    assert told in logs
    assert (got["requestId"], got["threadId"], got["clientMutationId"]) == (None, None, "m")
    (sentence,) = got["errors"]
    assert sentence.endswith("(M3004)")
    assert not hall.started


async def test_a_project_without_duo_refuses_its_members(hall: Hall) -> None:
    ada = await hall.person("ada")
    project = hall.project(hall.group("lab", ada))
    issue = hall.issue(project)
    off = Description(duo_features_enabled=False)
    hall.db.write_blocking(
        lambda session: change_project(session, project, off, caller_user=hall.admin, now=NOW)
    )
    wish = {"summarizeComments": {"resourceId": gid("Issue", issue.id)}}
    got = await hall.data(ada, ASK, input=wish)
    assert got["errors"][0].endswith("(M3002)")


async def test_a_flag_that_is_off_hides_the_action(hall: Hall) -> None:
    ada = await hall.person("ada")
    path = "/api/v4/features/ai_global_switch"
    await hall.asker.server.ask("POST", path, json={"value": "false"})
    error = await hall.error(ada, ASK, input={"chat": {"content": "Hi"}})
    assert NOT_AVAILABLE in error["message"]


async def test_a_user_asks_so_often_within_eight_hours(hall: Hall) -> None:
    ada, bob = await hall.person("ada"), await hall.person("bob")
    limit = {"ai_action_api_rate_limit": 2}
    await hall.asker.server.ask("PUT", "/api/v4/ai/settings", json=limit)
    wish = {"chat": {"content": "Hi"}}
    for _ in range(2):
        await hall.data(ada, ASK, input=wish)
    error = await hall.error(ada, ASK, input=wish)
    assert error["extensions"]["code"] == "ai_action_rate_limited"
    assert "2 AI requests" in error["message"]
    assert (await hall.data(bob, ASK, input=wish))["requestId"]
    hall.asker.server.clock.advance(hours=8, seconds=1)
    assert (await hall.data(ada, ASK, input=wish))["requestId"]


async def test_another_user_s_conversation_is_a_wrong_argument(hall: Hall) -> None:
    ada, bob = await hall.person("ada"), await hall.person("bob")
    wish = {"chat": {"content": "Hi"}, "conversationType": "DUO_CHAT"}
    thread = (await hall.data(ada, ASK, input=wish))["threadId"]
    error = await hall.error(bob, ASK, input={"chat": {"content": "Hi"}, "threadId": thread})
    assert error["extensions"]["code"] == "invalid_fields"
    assert "threadId" in error["message"]


@pytest.mark.parametrize("content", ["", "  \n", "x" * (100_001)])
async def test_a_question_has_something_in_it_and_not_too_much(hall: Hall, content: str) -> None:
    ada = await hall.person("ada")
    error = await hall.error(ada, ASK, input={"chat": {"content": content}})
    assert error["extensions"]["code"] == "invalid_fields"
    assert error["message"].startswith("content: ")
    assert not hall.started


async def test_characters_that_no_database_stores_do_no_harm(hall: Hall) -> None:
    ada = await hall.person("ada")
    for text in ("a\0b", "a\ud800b"):
        wish = {"chat": {"content": text}, "clientSubscriptionId": text, "platformOrigin": text}
        got = await hall.answer(ada, ASK, input=wish)
        refused = [each["extensions"]["code"] for each in got.get("errors", ())]
        assert refused in ([], ["invalid_fields"]), got


async def test_names_that_clients_give_have_a_length(hall: Hall) -> None:
    ada = await hall.person("ada")
    wish = {"chat": {"content": "Hi"}, "clientSubscriptionId": "x" * 256}
    error = await hall.error(ada, ASK, input=wish)
    assert error["message"].startswith("clientSubscriptionId: ")


async def test_inline_it_has_ended_when_the_mutation_is_answered(hall: Hall) -> None:
    async def echo(running: Running) -> Answer:
        return Answer(content=f"You said: {running.request.inputs['content']}")

    pace = Pace(at_once=1, at_once_of_a_user=1, limit=timedelta(minutes=1), is_inline=True)
    clock = hall.asker.server.clock
    workers = Workers(hall.db, hall.deliveries, {"chat": echo}, pace=pace, clock=clock)
    hall.tools = action_tools({"deliveries": hall.deliveries, "workers": workers})
    ada = await hall.person("ada")
    address = Address(user_id=ada.user.id, action="chat")
    with hall.deliveries.subscribe(address) as taken:
        got = await hall.data(ada, ASK, input={"chat": {"content": "Hi"}})
        question, answer = await taken.take(), await taken.take()
    assert question is not None
    assert answer is not None
    assert (question.role, question.content) == ("USER", "Hi")
    assert (answer.role, answer.content) == ("ASSISTANT", "You said: Hi")
    assert answer.request_uid == got["requestId"]


async def test_reading_tokens_ask_for_nothing(hall: Hall) -> None:
    ada = await hall.person("ada", "read_api")
    error = await hall.error(ada, ASK, input={"chat": {"content": "Hi"}})
    assert error["extensions"]["code"] == "insufficient_scope"
    assert not hall.started
