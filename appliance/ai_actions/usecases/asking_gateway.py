"""Asks the gateway for a request: as its user, with what they hold at that moment, streamed."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import msgspec
import structlog

from appliance.access_tokens.rules import FORWARDED_LIFETIME, Purpose
from appliance.access_tokens.usecases import Minter, namespace_of_token
from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules import Request
from appliance.ai_actions.rules.catalogue import CHAT
from appliance.ai_actions.rules.gateway import faults, wire
from appliance.ai_actions.rules.gateway.answers import AgentEvent, Cut, Failed, PromptAnswer
from appliance.ai_actions.usecases.permitting import permitted_again
from appliance.instance_settings.rules import Addresses
from appliance.instance_settings.usecases import settings_now
from appliance.outbound import Outbound, UnreachableError
from appliance.storage.engine import Db, Session
from gateway.contract.catalog import Catalog

PROMPTS_PATH = "/v2/prompts/"
AGENT_PATH = "/v2/chat/agent"
# What these actions were written against; a later major version may ask for other inputs.
PROMPT_VERSION = "^1.0.0"
MAX_REFUSAL_BYTES = 64 * 1024

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What goes to the gateway; the token for it opens `scopes` at most."""

    path: str
    body: Mapping[str, Any] = field(repr=False)
    unit_primitive: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    gateway_url: str
    silence_s: int
    token: str = field(repr=False)


class AgentAnswer:
    """The events of one step of a conversation; `cuts` is complete after the last one.

    Closing it early drops the connection, so that the model stops.
    """

    def __init__(self, events: Callable[["AgentAnswer"], AsyncGenerator[AgentEvent]]) -> None:
        self.cuts: Sequence[Cut] = ()
        self._events = events(self)

    def __aiter__(self) -> AsyncIterator[AgentEvent]:
        """The events, once."""
        return self._events

    async def aclose(self) -> None:
        """Wants no more of it."""
        await self._events.aclose()


class GatewayAsker:
    """Asks a gateway's prompts and its chat; every failure has a code of the table."""

    def __init__(
        self,
        db: Db,
        outbound: Outbound,
        *,
        minter: Minter,
        told: Addresses,
        catalog: Catalog,
        clock: Callable[[], datetime],
    ) -> None:
        self._db = db
        self._outbound = outbound
        self._minter = minter
        self._told = told
        self._catalog = catalog
        self._clock = clock

    async def ask_prompt(
        self,
        request: Request,
        prompt_id: str,
        inputs: Mapping[str, object],
        *,
        unit_primitive: str,
        on_text: Callable[[str], None] | None = None,
        whole: Collection[str] = (),
    ) -> PromptAnswer:
        """What a model says to a prompt that is filled with `inputs`; `on_text` hears it come.

        When one of the inputs that are wanted `whole` did not fit, the answer is not waited for:
        its text is "", and `cuts` says how much fits.

        Raises:
            ActionFailedError: there is no whole answer.
        """
        body = {"inputs": inputs, "prompt_version": PROMPT_VERSION, "stream": True}
        question = _Question(
            path=f"{PROMPTS_PATH}{prompt_id}",
            body=body,
            unit_primitive=unit_primitive,
            scopes=frozenset({unit_primitive}),
        )
        async with self._asking(request, question) as answer:
            cuts = _cuts(answer)
            if any(cut.input in whole for cut in cuts):
                return PromptAnswer(text="", cuts=cuts)
            text = await _read_prompt(answer, on_text)
        if not text.strip():
            raise ActionFailedError(faults.EMPTY)
        return PromptAnswer(text=text, cuts=cuts)

    def ask_agent(
        self, request: Request, body: Mapping[str, Any], *, unit_primitive: str = CHAT
    ) -> AgentAnswer:
        """What a model says in a conversation: text, or a tool that it wants read first.

        While it is read, ActionFailedError is raised when it does not come to its end.
        """
        feature = self._catalog.features_by_unit_primitive()[unit_primitive]
        # Which tools it is offered, and what may be sent along, hangs on these.
        scopes = frozenset(self._catalog.features[feature].unit_primitives)
        question = _Question(
            path=AGENT_PATH, body=body, unit_primitive=unit_primitive, scopes=scopes
        )

        async def events(into: AgentAnswer) -> AsyncGenerator[AgentEvent]:
            async with self._asking(request, question) as answer:
                into.cuts = _cuts(answer)
                async with aclosing(_read_events(answer)) as reading:
                    async for event in reading:
                        yield event

        return AgentAnswer(events)

    @asynccontextmanager
    async def _asking(
        self, request: Request, question: _Question
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        jti, now = uuid4(), self._clock()
        way = await self._db.read(
            lambda session: self._prepare(session, request, question, jti=jti, now=now)
        )
        sent = {
            "authorization": f"Bearer {way.token}",
            "content-type": "application/json",
            "x-request-id": request.uid,
        }
        body = msgspec.json.encode(question.body)
        try:
            async with self._outbound.post(
                way.gateway_url + question.path, body, headers=sent, silence_s=way.silence_s
            ) as answer:
                if answer.status != HTTPStatus.OK:
                    await _refuse(answer, question)
                yield answer
        except UnreachableError as error:
            is_late = isinstance(error.__cause__, TimeoutError)
            code = faults.TIMED_OUT if is_late else faults.UNREACHABLE
            raise _failed(code, question, reason=error.reason) from error
        except TimeoutError as error:
            raise _failed(faults.TIMED_OUT, question, reason="silence") from error
        except aiohttp.ClientError as error:
            kind = type(error).__name__
            raise _failed(faults.BROKE_OFF, question, reason=kind) from error
        except wire.UnreadableLineError as error:
            raise _failed(faults.UNREADABLE, question, reason="unreadable") from error

    def _prepare(
        self, session: Session, request: Request, question: _Question, *, jti: UUID, now: datetime
    ) -> _Way:
        unit_primitive = question.unit_primitive
        caller = permitted_again(
            session, request, catalog=self._catalog, now=now, unit_primitive=unit_primitive
        )
        purpose = Purpose(
            jti=jti,
            use="forwarded",
            lifetime=FORWARDED_LIFETIME,
            client_ip=request.client_ip,
            scopes=question.scopes,
        )
        namespace = None
        if request.namespace_id is not None:
            namespace = namespace_of_token(session, caller.user, request.namespace_id, now=now)
        token = self._minter.mint(session, caller, purpose, namespace=namespace, now=now)
        settings = settings_now(session, self._told)
        return _Way(
            gateway_url=settings.addresses.ai_gateway_url,
            silence_s=settings.ai_gateway_timeout_s,
            token=token.text,
        )


def _failed(code: str, question: _Question, **facts: Any) -> ActionFailedError:
    _log.warning(
        "gateway_call_failed",
        code=code,
        path=question.path,
        unit_primitive=question.unit_primitive,
        **facts,
    )
    return ActionFailedError(code)


async def _refuse(answer: aiohttp.ClientResponse, question: _Question) -> None:
    said = faults.read_refusal(await answer.content.read(MAX_REFUSAL_BYTES))
    code = faults.code_of_status(answer.status, said.code, question.unit_primitive)
    raise _failed(
        code, question, status=answer.status, refusal=said.code, decision_id=said.decision_id
    )


def _cuts(answer: aiohttp.ClientResponse) -> tuple[Cut, ...]:
    return wire.read_cuts(answer.headers.get(wire.CUT_HEADER, ""))


async def _lines(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    lines = wire.Lines()
    async for part in answer.content.iter_any():
        for line in lines.feed(part):
            yield line
    for line in lines.finish():
        yield line


async def _read_prompt(
    answer: aiohttp.ClientResponse, on_text: Callable[[str], None] | None
) -> str:
    said: list[str] = []
    length, is_whole = 0, False
    async for line in _lines(answer):
        read = wire.read_prompt_line(line)
        is_whole = read.usage is not None
        if not read.content:
            continue
        length += len(read.content)
        _check_length(length)
        said.append(read.content)
        if on_text is not None:
            on_text(read.content)
    _check_end(is_whole=is_whole, is_begun=bool(said))
    return "".join(said)


async def _read_events(answer: aiohttp.ClientResponse) -> AsyncGenerator[AgentEvent]:
    length, is_whole, is_begun = 0, False, False
    async for line in _lines(answer):
        length += len(line)
        _check_length(length)
        event = wire.read_event(line)
        if event is None:
            is_whole = True
            continue
        is_begun = True
        yield event
        # Nothing follows a failure, and nothing after it would be believed.
        if isinstance(event, Failed):
            return
    _check_end(is_whole=is_whole, is_begun=is_begun)


def _check_length(length: int) -> None:
    if length > wire.MAX_ANSWER_CHARS:
        raise wire.UnreadableLineError


def _check_end(*, is_whole: bool, is_begun: bool) -> None:
    if is_whole:
        return
    _log.warning("gateway_answer_not_whole", is_begun=is_begun)
    raise ActionFailedError(faults.BROKE_OFF if is_begun else faults.UNREADABLE)
