"""One real token, and a stream of a few: what no list of models can tell."""

from collections.abc import Mapping
from typing import Any

from gateway.contract.addresses import Endpoint
from gateway.contract.probing import FIRST_TOKEN_S, ModelCheck
from gateway.upstream.probing import server_faults as faults
from gateway.upstream.probing.asking import OK, Answer, Asker, SilentError, UnansweredError
from gateway.upstream.probing.failing import quoted
from gateway.upstream.probing.judging import fault_of_status, refused
from gateway.upstream.probing.understanding import (
    CHAT_PATH,
    COMPLETIONS_PATH,
    is_answered,
    streamed_events,
    words_of,
)

TEXT = "Count from one to nine."
STREAMED_TOKENS = 12
# The model has just answered, so it is there.
STREAM_S = 10.0
# So many in time are a stream, whether or not the model is done by then.
STARTED_PARTS = 2
# What a server answers that has the model but cannot chat with it, as one without a template.
CANNOT_CHAT = frozenset({400, 404, 405, 422, 501})
# A model that took this long for its parts cannot have made them within so short a time: somebody
# held them back. Engines that send several tokens in one part stay below the number of parts.
BUFFERED_AFTER_S = 0.25
BUFFERED_WITHIN_S = 0.002
BUFFERED_PARTS = 4


class Talk:
    """Asks one model; `model` is what the server calls it, known once it was listed."""

    def __init__(self, asker: Asker, endpoint: Endpoint, wish: ModelCheck) -> None:
        self._asker = asker
        self._endpoint = endpoint
        self._wish = wish
        self._path = CHAT_PATH
        self.model = wish.identifier

    async def check_answer(self) -> str:
        """What there is to say when the model has said a token.

        Raises:
            ProbeFailedError: it did not.
        """
        answer = await self._one_token()
        if answer.status in CANNOT_CHAT:
            self._path = COMPLETIONS_PATH
            other = await self._one_token()
            if other.status == OK and is_answered(other):
                return (
                    "The model says a token. It completes text only, and does not chat: give it to "
                    "code completions."
                )
        if answer.status != OK:
            told = fault_of_status(answer, api_key=self._wish.api_key)
            raise told or refused(answer, api_key=self._wish.api_key)
        if not is_answered(answer):
            raise faults.web_page(answer.url) if answer.is_page else faults.not_openai(answer.url)
        return "The model says a token."

    async def _one_token(self) -> Answer:
        try:
            return await self._ask(stream=False, tokens=1, limit_s=FIRST_TOKEN_S)
        except SilentError as cause:
            raise faults.slow(FIRST_TOKEN_S) from cause

    async def check_stream(self) -> str:
        """What there is to say when the model streams.

        Raises:
            ProbeFailedError: it does not.
        """
        answer = await self._stream()
        if _is_held_back(answer):
            # Once may be chance: this process may have been held up itself.
            answer = await self._stream()
            if _is_held_back(answer):
                raise faults.buffered(answer.arrivals[0] - answer.asked_at)
        return "The model streams."

    async def _stream(self) -> Answer:
        try:
            answer = await self._ask(stream=True, tokens=STREAMED_TOKENS, limit_s=STREAM_S)
        except SilentError as cause:
            said = f"nothing came within {STREAM_S:g} s"
            raise faults.no_stream(said) from cause
        if (told := fault_of_status(answer, api_key=self._wish.api_key)) is not None:
            raise told
        if answer.status != OK:
            words = quoted(words_of(answer), api_key=self._wish.api_key)
            said = f"it answers {answer.status}" + (f": {words}" if words else "")
            raise faults.no_stream(said)
        parts, is_ended = streamed_events(answer)
        if not parts:
            said = "it sends a whole answer" if is_answered(answer) else "it sends something else"
            raise faults.no_stream(said)
        # A slow model need not have come to its end, if what it said came as it said it.
        if not is_ended and (answer.is_whole or parts < STARTED_PARTS):
            raise faults.unfinished()
        return answer

    async def _ask(self, *, stream: bool, tokens: int, limit_s: float) -> Answer:
        url = self._endpoint.url + self._path
        question: Mapping[str, Any] = {
            "model": self.model,
            "max_tokens": tokens,
            "stream": stream,
            **_asked(self._path),
        }
        try:
            if stream:
                return await self._asker.stream(url, question, limit_s=limit_s)
            return await self._asker.post(url, question, limit_s=limit_s)
        except UnansweredError as cause:
            raise faults.broke_off(url, str(cause)) from cause


def _asked(path: str) -> dict[str, Any]:
    if path == CHAT_PATH:
        return {"messages": [{"role": "user", "content": TEXT}]}
    return {"prompt": TEXT}


def _is_held_back(answer: Answer) -> bool:
    parts, _ = streamed_events(answer)
    took_s = answer.arrivals[-1] - answer.arrivals[0]
    waited_s = answer.arrivals[0] - answer.asked_at
    return parts >= BUFFERED_PARTS and waited_s >= BUFFERED_AFTER_S and took_s <= BUFFERED_WITHIN_S
