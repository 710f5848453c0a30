"""What a model is asked in the end: the rendered prompt, as the body of a request to its engine."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from gateway.contract.claims import Claims
from gateway.edge.exchange import Header
from gateway.errors import PromptTooLongError
from gateway.policy.tenants import cache_salt
from gateway.prompts.cutting import Cut
from gateway.prompts.rendering import Rendered
from gateway.prompts.windows import answer_tokens
from gateway.upstream.models import Upstream

CUT_HEADER = b"x-casemate-cut"
# GitLab's, for who says nothing else.
DEFAULT_ANSWER_TOKENS = 4096

Render = Callable[[int], Rendered]


class Asked:
    """What one caller asks one model; `render` makes it fit a window."""

    def __init__(self, render: Render, upstream: Upstream, claims: Claims) -> None:
        self._render = render
        self._upstream = upstream
        self._claims = claims
        self._cuts: Sequence[Cut] = ()

    async def body(self, window_tokens: int) -> bytes:
        """The request for a model that takes so much.

        In a thread: a megabyte takes some 20 ms, for which no other answer should wait.

        Raises:
            InvalidInputsError: the prompt does not take what it is given.
            PromptTooLongError: it cannot be made to fit.
        """
        return await asyncio.to_thread(self._body, window_tokens)

    def _body(self, window_tokens: int) -> bytes:
        rendered = self._render(window_tokens)
        self._cuts = rendered.cuts
        request: dict[str, object] = {
            **rendered.parameters,
            "model": self._upstream.identifier,
            "messages": rendered.messages,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self._upstream.takes_cache_salt:
            request["cache_salt"] = cache_salt(self._claims)
        return msgspec.json.encode(request)

    def headers(self) -> tuple[Header, ...]:
        """What was cut of which input, in characters, if anything was."""
        return ((CUT_HEADER, _written(self._cuts)),) if self._cuts else ()


def _written(cuts: Iterable[Cut]) -> bytes:
    return ", ".join(f"{each.input}={each.kept}/{each.whole}" for each in cuts).encode("ascii")


def as_given(messages: Sequence[Mapping[str, str]], parameters: Mapping[str, object]) -> Render:
    """Renders what the client wrote itself, of which nothing is cut."""
    is_rendered = False

    def render(window_tokens: int) -> Rendered:
        nonlocal is_rendered
        if is_rendered:
            raise PromptTooLongError
        is_rendered = True
        wanted = parameters.get("max_tokens")
        wanted = wanted if isinstance(wanted, int) else DEFAULT_ANSWER_TOKENS
        tokens = answer_tokens(wanted, window_tokens=window_tokens)
        return Rendered(
            messages=[dict(each) for each in messages],
            parameters={**parameters, "max_tokens": tokens},
        )

    return render
