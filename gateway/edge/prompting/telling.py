"""Tells what a model says in the words of a surface: of what the engine streams, the text."""

import time
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Protocol

from gateway.edge.calls.account import Account
from gateway.edge.calls.passing import STREAM_HEADERS, is_event_stream
from gateway.edge.calls.relay import Line
from gateway.edge.exchange import Exchange, Header
from gateway.errors import (
    ModelFaultError,
    ModelUnavailableError,
    PromptTooLongError,
    RefusedByModelError,
    UpstreamFailedError,
)
from gateway.prompts.thinking import ThoughtFilter
from gateway.prompts.windows import smaller
from gateway.upstream.connection import BrokenOffError, Connection
from gateway.upstream.deltas import Deltas
from gateway.upstream.too_long import is_too_long, told_window
from gateway.upstream.usage import Usage

CHAT_PATH = "/chat/completions"
OK = 200
# How often a question is shortened for a model that takes less than it, or anybody, says.
MAX_SHORTER = 2


class Shape(Protocol):
    """How the text of an answer is written for the client."""

    content_type: bytes
    is_stream: bool

    def part(self, text: str) -> bytes:
        """What goes out for a piece of text; nothing goes out for no bytes."""

    def last(self, usage: Usage | None) -> bytes:
        """What goes out after the last piece; a client that has it has everything."""


class Question(Protocol):
    """What a model is asked, shorter for one that takes less."""

    async def body(self, window_tokens: int) -> bytes:
        """The question for a model that takes so much.

        Raises:
            PromptTooLongError: it cannot be made to fit.
        """

    def headers(self) -> tuple[Header, ...]:
        """What the client is told of the question that was asked last."""


class Telling:
    """One question, and its answer in a shape.

    The answer begins with its first text, so that a model that fails before is an error with a
    status. One that breaks off later leaves the client without the last part.
    """

    def __init__(
        self, question: Question, shape: Shape, *, body: bytes, window_tokens: int
    ) -> None:
        """Takes the `body` of a question that is in the window already."""
        self._question = question
        self._shape = shape
        self._body = body
        self._window_tokens = window_tokens
        self._deltas = Deltas(is_stream=True)
        self._thoughts = ThoughtFilter()
        self._is_told = False

    @property
    def usage(self) -> Usage | None:
        """What the engine has counted so far."""
        return self._deltas.usage

    async def answer(self, exchange: Exchange, line: Line, account: Account) -> None:
        """Answers the exchange.

        Raises:
            ModelFaultError: the engine refuses the question, fails, or says what is no answer.
            PromptTooLongError: it takes less than the question can be cut to.
        """
        try:
            answer = await self._ask(line)
        except (PromptTooLongError, ModelFaultError) as error:
            if not isinstance(error.__cause__, UpstreamFailedError):
                account.settle("refused_by_model", error.status, None)
            raise
        await self._read(exchange, answer, account)

    async def _ask(self, line: Line) -> Connection:
        for _ in range(MAX_SHORTER):
            try:
                return await self._ask_once(line)
            except PromptTooLongError as error:
                await self._shorten(error)
        return await self._ask_once(line)

    async def _ask_once(self, line: Line) -> Connection:
        try:
            return await line.ask(CHAT_PATH, self._body)
        except RefusedByModelError as cause:
            if is_too_long(cause):
                raise PromptTooLongError(reason=cause.reason) from cause
            raise _fault(cause.answered, cause.reason) from cause
        except UpstreamFailedError as cause:
            raise _fault(cause.answered, cause.reason) from cause

    async def _shorten(self, error: PromptTooLongError) -> None:
        window_tokens, cause = smaller(self._window_tokens), error.__cause__
        told = told_window(cause) if isinstance(cause, RefusedByModelError) else None
        if told is not None:
            # What it says may be what we knew; then our estimate was wrong.
            window_tokens = min(window_tokens, told)
        self._window_tokens = window_tokens
        self._body = await self._question.body(window_tokens)

    async def _read(self, exchange: Exchange, answer: Connection, account: Account) -> None:
        self._deltas = Deltas(is_stream=is_event_stream(answer))
        held: list[bytes] = []

        def take(data: bytes) -> Awaitable[None] | None:
            told = self._told(self._deltas.feed(data), account)
            if self._deltas.is_broken:
                answer.close()
            if not told:
                return None
            if not self._shape.is_stream:
                held.append(told)
                return None
            return exchange.push(told) if exchange.status else self._begin(exchange, told)

        try:
            await answer.stream(take)
        except BrokenOffError:
            if not self._deltas.is_broken:
                raise
        exchange.forget_client()
        held.append(self._told(self._deltas.finish(), account))
        self._check()
        held.append(self._last(account))
        await self._end(exchange, b"".join(held))

    def _told(self, text: str, account: Account) -> bytes:
        if text and not account.first_token_at:
            account.first_token_at = time.perf_counter()
        shown = self._thoughts.feed(text) if text else ""
        told = self._shape.part(shown) if shown else b""
        # A client that has read this far need not wait for the connection's end.
        return told + self._last(account) if self._deltas.is_done else told

    def _check(self) -> None:
        if self._deltas.is_broken and not self._is_told:
            raise _fault(OK, "the endpoint's answer is none, or says that it failed")
        if not self._deltas.is_complete and not self._is_told:
            raise ModelUnavailableError(reason="the endpoint's answer ended without an end")

    def _last(self, account: Account) -> bytes:
        if self._is_told:
            return b""
        self._is_told = True
        rest = self._thoughts.finish()
        told = self._shape.part(rest) if rest else b""
        # On disk before the client has it: what was answered is counted, whenever we are killed.
        account.settle("answered", OK, self.usage)
        return told + self._shape.last(self.usage)

    async def _begin(self, exchange: Exchange, told: bytes) -> None:
        await exchange.start(
            OK, self._shape.content_type, (*STREAM_HEADERS, *self._question.headers())
        )
        pushing = exchange.push(told)
        if pushing is not None:
            await pushing

    async def _end(self, exchange: Exchange, told: bytes) -> None:
        if exchange.status:
            await exchange.end(told)
            return
        headers = self._question.headers()
        if self._shape.is_stream:
            await exchange.start(OK, self._shape.content_type, (*STREAM_HEADERS, *headers))
            await exchange.end(told)
        else:
            content_type = self._shape.content_type
            await exchange.answer(OK, told, content_type=content_type, extra=headers)


def _fault(status: int, reason: str | None) -> ModelFaultError:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return ModelFaultError(message=f"{status}: {phrase}", reason=reason)
