"""Makes of a conversation what a model is asked, as much of it as the model takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import InvalidInputsError, PromptTooLongError
from gateway.prompts.agent.conversation import Said, Turn, merged, said
from gateway.prompts.agent.tools import described
from gateway.prompts.cutting import Cut, fitted
from gateway.prompts.inputs import checked
from gateway.prompts.prompt import Prompt
from gateway.prompts.rendering import Message, Rendered, guarded, messages_tokens, render
from gateway.prompts.windows import answer_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentInputs:
    """A conversation up to the question that is to be answered, or to what tools found for it.

    `tools` are names of tools that may be used, `unavailable` what cannot be looked up.
    """

    turns: Sequence[Turn]
    tools: Sequence[str] = ()
    unavailable: Sequence[str] = ()
    current_date: str | None = None


def render_agent(prompt: Prompt, inputs: AgentInputs, *, window_tokens: int) -> Rendered:
    """What to ask a model that takes `window_tokens`, the answer included.

    What is too much goes in this order: the oldest turns, then of what came with the question and
    of what tools found the longest.

    Raises:
        InvalidInputsError: nobody asks anything.
        PromptTooLongError: the question does not fit, even without all that may go.
    """
    answer = answer_tokens(prompt.max_tokens, window_tokens=window_tokens)
    rules = _rules(prompt, inputs, room_tokens=window_tokens - answer)
    history, question = _parted(inputs.turns)
    messages, cuts = _conversation(
        history, question, room_tokens=window_tokens - answer - messages_tokens(rules)
    )
    return Rendered(
        messages=merged([*rules, *messages]), parameters=prompt.parameters(answer), cuts=cuts
    )


def _rules(prompt: Prompt, inputs: AgentInputs, *, room_tokens: int) -> list[Message]:
    given = checked(
        {
            "tools": described(inputs.tools),
            "tool_names": ", ".join(inputs.tools),
            "unavailable": ", ".join(inputs.unavailable),
            "current_date": inputs.current_date,
        },
        prompt.inputs,
    )
    messages, _ = render(prompt.template, given, room_tokens=room_tokens)
    return guarded(messages)


def _parted(turns: Sequence[Turn]) -> tuple[Sequence[Turn], Sequence[Turn]]:
    """What was said before, and the last question with all that follows it."""
    for index in range(len(turns) - 1, -1, -1):
        if turns[index].role == "user" and turns[index].content.strip():
            return turns[:index], turns[index:]
    raise InvalidInputsError(
        message="None of the messages is a question of a user.", param="messages"
    )


def _conversation(
    history: Sequence[Turn], question: Sequence[Turn], *, room_tokens: int
) -> tuple[list[Message], tuple[Cut, ...]]:
    now = [each for turn in question for each in said(turn)]
    messages = [each.message() for each in now]
    rest = room_tokens - messages_tokens(messages)
    if rest < 0:
        messages, cuts = _shortened(now, room_tokens=room_tokens)
        return messages, _counted([*_dropped(history, history), *cuts])
    kept = _newest(history, room_tokens=rest)
    before = [each.message() for turn in kept for each in said(turn)]
    return [*before, *messages], _counted(_dropped(history, history[: len(history) - len(kept)]))


def _newest(history: Sequence[Turn], *, room_tokens: int) -> Sequence[Turn]:
    """As many of the last turns as there is room for, from a question on."""
    start = len(history)
    for index in range(len(history) - 1, -1, -1):
        room_tokens -= messages_tokens([each.message() for each in said(history[index])])
        if room_tokens < 0:
            break
        if history[index].role != "assistant":
            start = index
    return history[start:]


def _shortened(now: Sequence[Said], *, room_tokens: int) -> tuple[list[Message], list[Cut]]:
    pieces = [piece for each in now for piece in each.pieces]
    empty = messages_tokens([each.message(iter([""] * len(each.pieces))) for each in now])
    # A line more for each: tags of a text of several lines stand on lines of their own.
    room = room_tokens - empty - len(pieces)
    fit = fitted(pieces, room_tokens=room) if room >= 0 else None
    if fit is None:
        raise PromptTooLongError
    texts = iter(fit[0])
    return [each.message(texts) for each in now], fit[1]


def _dropped(history: Sequence[Turn], left_out: Sequence[Turn]) -> list[Cut]:
    if not left_out:
        return []
    whole = sum(len(turn.content) for turn in history)
    gone = sum(len(turn.content) for turn in left_out)
    return [Cut(input="history", kept=whole - gone, whole=whole)]


def _counted(cuts: Sequence[Cut]) -> tuple[Cut, ...]:
    """One for each name."""
    total: dict[str, Cut] = {}
    for each in cuts:
        before = total.get(each.input, Cut(input=each.input, kept=0, whole=0))
        total[each.input] = Cut(
            input=each.input, kept=before.kept + each.kept, whole=before.whole + each.whole
        )
    return tuple(total.values())
