"""How a question in chat comes to its answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules import Answer
from appliance.ai_actions.rules.chat import observations
from appliance.ai_actions.rules.chat.contexts import CATEGORIES
from appliance.ai_actions.rules.chat.history import MAX_TURNS
from appliance.ai_actions.rules.gateway.answers import (
    AgentEvent,
    Cut,
    Failed,
    TextDelta,
    ToolCall,
)
from appliance.ai_actions.usecases import Running
from appliance.ai_actions.usecases.chat.conversing import (
    CUT_OFF,
    MAX_ANSWER_CHARS,
    MAX_RETRIES,
    MAX_STEPS,
)
from appliance.ai_actions.usecases.chat.tools import TOOLS
from gateway.edge.prompting import bodies
from tests.appliance.ai_actions.usecases.chat.builders import URL, Desk, the
from tests.fakes.agents import PlayedAnswer, ScriptedAgent


def says(*texts: str, cuts: Sequence[Cut] = ()) -> PlayedAnswer:
    return PlayedAnswer([TextDelta(text=text) for text in texts], cuts)


def calls(tool: str, given: Any = "", thought: str = "") -> PlayedAnswer:
    return PlayedAnswer([ToolCall(tool=tool, tool_input=given, thought=thought)])


def playing(*answers: PlayedAnswer) -> ScriptedAgent:
    return ScriptedAgent(list(answers))


async def failing(desk: Desk, agent: ScriptedAgent, text: str = "Why?", **wish: Any) -> str:
    with pytest.raises(ActionFailedError) as failed:
        await desk.answer(desk.accept(text, **wish), agent)
    return failed.value.shown_code


class Act:
    """Stands in for the actions; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    async def __call__(self, running: Running, *, on_text: Any = None) -> Answer:
        self.asked.append((running.request.action, running.request.inputs))
        on_text("a part")
        return Answer(content="done")


async def test_an_answer_streams_in_chunks_and_is_whole_in_the_end(desk: Desk) -> None:
    request = desk.accept("Why?", client_subscription_id="tab")
    agent = playing(says("Be", "", "cause."))
    answer = await desk.answer(request, agent)
    assert (answer.content, answer.errors, dict(answer.extras)) == ("Because.", (), {})
    assert [(each.chunk_id, each.content) for each in desk.told] == [(1, "Be"), (2, "cause.")]
    assert {each.uid for each in desk.told} == {f"answer-{request.uid}"}
    assert agent.said[0].is_closed


async def test_a_tool_is_used_and_its_observation_told(desk: Desk) -> None:
    request = desk.accept("Why?", client_subscription_id="tab", resource=the(desk.lab, "Issue"))
    agent = playing(calls("issue_reader", {"iid": 1}, "I must read it."), says("It melts."))
    answer = await desk.answer(request, agent)
    assert answer.content == "It melts."
    last = agent.heard[1]["messages"][-1]
    (step,) = last["agent_scratchpad"]
    assert (last["role"], last["content"]) == ("assistant", None)
    assert step["action"] == {
        "thought": "I must read it.",
        "tool": "issue_reader",
        "tool_input": "1",
    }
    assert "Too hot" in step["observation"]
    assert [(each.type, each.chunk_id) for each in desk.told] == [("TOOL", None), (None, 1)]


async def test_what_is_sent_is_what_the_gateway_reads(desk: Desk) -> None:
    file = {"file_name": "a.py", "selected_text": "x = 1"}
    sent = [{"category": each, "id": "1", "content": "x"} for each in sorted(CATEGORIES)]
    for _ in range(30):
        desk.keep(desk.accept("Who?"), Answer(content="Ada."))
    request = desk.accept(
        "Why?",
        resource=the(desk.lab, "Issue"),
        inputs={"current_file": file, "additional_context": sent},
    )
    agent = playing(calls("issue_reader", {"iid": 1}), calls("build_reader", None), says("x"))
    await desk.answer(request, agent)
    read = bodies.parse(msgspec.json.encode(agent.heard[-1]), bodies.AgentRequest)
    *before, question, running = read.messages
    assert len(before) == 2 * MAX_TURNS
    assert question.context == bodies.Page(type="issue", title="Too hot")
    assert question.current_file is not None
    assert question.current_file.selected_code
    assert {each.category for each in question.additional_context or ()} == CATEGORIES
    steps = running.agent_scratchpad or ()
    assert [each.action.tool_input for each in steps] == ["1", ""]
    assert read.options is not None
    assert read.options.tools == tuple(TOOLS)


async def test_chunks_are_counted_anew_with_each_step(desk: Desk) -> None:
    request = desk.accept("Why?", client_subscription_id="tab")
    begun = PlayedAnswer(
        [TextDelta(text="Let me see"), ToolCall(tool="issue_reader", tool_input="1")]
    )
    answer = await desk.answer(request, playing(begun, says("It", " melts.")))
    assert answer.content == "It melts."
    numbers = [each.chunk_id for each in desk.told if each.type is None]
    assert numbers == [1, 1, 2]


async def test_the_same_call_is_not_made_twice(desk: Desk) -> None:
    request = desk.accept("Why?", resource=the(desk.lab, "Issue"))
    agent = playing(calls("issue_reader", "#1"), calls("issue_reader", {"iid": "#1"}), says("x"))
    await desk.answer(request, agent)
    steps = agent.heard[2]["messages"][-1]["agent_scratchpad"]
    assert steps[1]["observation"] == observations.REPEATED
    assert len([each for each in desk.told if each.type == "TOOL"]) == 1


async def test_a_model_that_never_answers_is_asked_ten_times(desk: Desk) -> None:
    agent = playing(*(calls("issue_reader", str(number)) for number in range(100)))
    assert await failing(desk, agent) == "A1006"
    assert len(agent.heard) == MAX_STEPS


async def test_what_may_work_again_is_tried_twice(desk: Desk) -> None:
    error = PlayedAnswer([TextDelta(text="Be"), Failed(message="busy", is_retryable=True)])
    answer = await desk.answer(desk.accept("Why?"), playing(error, error, says("Because.")))
    assert answer.content == "Because."
    agent = playing(error)
    assert await failing(desk, agent) == "A1004"
    assert len(agent.heard) == MAX_RETRIES + 1


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Failed(message="prompt is too long"), "A1005"),
        (Failed(message="tool not available: x", is_retryable=True), "G3001"),
        (Failed(message="whatever"), "A1004"),
        (TextDelta(text=" \n"), "A6000"),
    ],
)
async def test_what_is_no_answer_has_a_code(desk: Desk, event: AgentEvent, code: str) -> None:
    assert await failing(desk, playing(PlayedAnswer([event]))) == code


async def test_no_answer_at_all_has_a_code(desk: Desk) -> None:
    assert await failing(desk, playing(PlayedAnswer([]))) == "A6000"


async def test_an_answer_without_end_is_cut(desk: Desk) -> None:
    answer = await desk.answer(
        desk.accept("Why?"), playing(says("x" * (MAX_ANSWER_CHARS - 1), "yy", "z"))
    )
    assert answer.content == "x" * (MAX_ANSWER_CHARS - 1) + f"\n\n*{CUT_OFF}*"


async def test_what_did_not_fit_is_told(desk: Desk) -> None:
    cuts = [Cut(input="messages", kept=10, whole=20)]
    answer = await desk.answer(desk.accept("Why?"), playing(says("Because.", cuts=cuts)))
    assert answer.content.startswith("Because.\n\n*")
    assert "10 of 20 characters" in answer.content


async def test_pages_of_the_documentation_are_named_as_sources(desk: Desk) -> None:
    agent = playing(
        calls("gitlab_documentation", "seats and licences"),
        calls("gitlab_documentation", "give a seat"),
        says("Buy one."),
    )
    answer = await desk.answer(desk.accept("How do I get a seat?"), agent)
    sources = answer.extras["sources"]
    assert f"{URL}/help/ai/documentation/seats" in {each["source_url"] for each in sources}
    assert len({each["source_url"] for each in sources}) == len(sources)


async def test_what_the_documentation_does_not_know_has_a_code(desk: Desk) -> None:
    assert await failing(desk, playing(calls("gitlab_documentation", "football"))) == "M2000"
    later = playing(
        calls("project_reader"), calls("gitlab_documentation", "football"), says("No idea.")
    )
    answer = await desk.answer(desk.accept("Who won?"), later)
    assert answer.content == "No idea."


@pytest.mark.parametrize("command", ["/clear", "/new", "/reset"])
async def test_what_only_forgets_is_answered_with_nothing(desk: Desk, command: str) -> None:
    answer = await desk.answer(desk.accept(command), playing())
    assert answer.is_silent


async def test_help_lists_what_this_user_may_ask_here(desk: Desk) -> None:
    answer = await desk.answer(desk.accept("/help"), playing())
    assert "`/explain`" in answer.content
    assert "`/troubleshoot`" not in answer.content
    on_job = await desk.answer(desk.accept("/help", resource=the(desk.lab, "Job")), playing())
    assert "`/troubleshoot`" in on_job.content


async def test_a_command_runs_its_action_on_what_is_selected(desk: Desk) -> None:
    act, file = Act(), {"file_name": "a.py", "selected_text": "x = 1"}
    request = desk.accept(
        "/fix the name", inputs={"current_file": file}, client_subscription_id="tab"
    )
    answer = await desk.answer(request, playing(), act)
    assert answer.content == "done"
    ((action, inputs),) = act.asked
    assert action == "fix_code"
    assert (inputs["code"], inputs["question"]) == ("x = 1", "the name")
    assert inputs["file_name"] == "a.py"
    assert [(each.chunk_id, each.content) for each in desk.told] == [(1, "a part")]


async def test_code_may_stand_after_the_command(desk: Desk) -> None:
    act = Act()
    await desk.answer(desk.accept("/explain x = 1"), playing(), act)
    assert act.asked[0][1]["code"] == "x = 1"
    assert act.asked[0][1]["question"] == ""


async def test_a_command_of_a_page_runs_its_action_there(desk: Desk) -> None:
    act = Act()
    job = desk.accept("/troubleshoot", resource=the(desk.lab, "Job"))
    await desk.answer(job, playing(), act)
    assert act.asked == [("troubleshoot_job", {})]


async def test_a_command_that_lacks_what_it_needs_has_a_code(desk: Desk) -> None:
    assert await failing(desk, playing(), "/tests") == "M4000"
    assert await failing(desk, playing(), "/troubleshoot") == "M4001"
    issue = the(desk.lab, "Issue")
    assert await failing(desk, playing(), "/troubleshoot", resource=issue) == "M4001"


async def test_a_command_needs_its_own_right(desk: Desk) -> None:
    desk.lab.flag("ai_duo_chat_fix_code_switch")
    assert await failing(desk, playing(), "/fix x = 1") == "M3005"
