"""One question through the whole path: instance, access token, gateway, model."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from install.api import AccessToken
from install.errors import GatewayRefusedError, UnreachableError

if TYPE_CHECKING:
    import openai

# A model that is read from disk again, or a full one, may take long to its first token.
READ_TIMEOUT_S = 300.0
RETRY_S = 0.5
# What the gateway says while it has not yet heard of a model, or of the model's being up.
PASSING = frozenset({"model_unavailable", "configuration_unavailable", "identity_unavailable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of which model."""

    text: str
    model: str
    max_tokens: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; `tokens_per_second` counts from the first token to the last."""

    text: str
    completion_tokens: int
    first_token_s: float
    tokens_per_second: float


def ask(
    gateway_url: str,
    token: AccessToken,
    question: Question,
    *,
    trusted: ssl.SSLContext | bool = True,
    on_text: Callable[[str], None] = lambda _text: None,
) -> Answer:
    """Asks, and hands each piece of the answer to `on_text` as it comes.

    `trusted` is what `trusted_for` says of the address.

    Raises:
        UnreachableError: the gateway does not answer.
        GatewayRefusedError: with the gateway's own code and sentence.
    """
    # It takes most of a second to load, and every command would wait for it.
    import httpx2
    import openai

    client = openai.OpenAI(
        base_url=f"{gateway_url}/v1",
        api_key=token.value,
        max_retries=0,
        timeout=READ_TIMEOUT_S,
        http_client=openai.DefaultHttpxClient(trust_env=False, verify=trusted),
    )
    try:
        with client:
            return _ask(client, question, on_text)
    except openai.APIStatusError as cause:
        raise _refusal(cause) from cause
    except openai.APIConnectionError as cause:
        sentence = f"The gateway does not answer at {gateway_url}; see `casemate status`."
        raise UnreachableError(sentence) from cause
    except openai.APIError as cause:
        code = str(cause.code or "stream_failed")
        sentence = f"The answer broke off: {cause.message}"
        raise GatewayRefusedError(sentence, code) from cause
    except httpx2.HTTPError as cause:
        sentence = "The answer broke off: the connection to the gateway was lost."
        raise GatewayRefusedError(sentence, "stream_failed") from cause


def _ask(client: "openai.OpenAI", question: Question, on_text: Callable[[str], None]) -> Answer:
    began = time.monotonic()
    first: float | None = None
    last = began
    tokens = 0
    pieces = []
    stream = client.chat.completions.create(
        model=question.model,
        messages=[{"role": "user", "content": question.text}],
        max_tokens=question.max_tokens,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        if chunk.usage:
            tokens = chunk.usage.completion_tokens
        text = chunk.choices[0].delta.content if chunk.choices else None
        if text:
            last = time.monotonic()
            first = first or last
            pieces.append(text)
            on_text(text)
    first = first or last
    return Answer(
        text="".join(pieces).strip(),
        completion_tokens=tokens,
        first_token_s=first - began,
        tokens_per_second=(tokens - 1) / (last - first) if last > first and tokens > 1 else 0.0,
    )


def _refusal(cause: "openai.APIStatusError") -> GatewayRefusedError:
    body = cause.body if isinstance(cause.body, dict) else {}
    said = body.get("message") or f"status {cause.status_code}"
    code = str(cause.code or body.get("code") or cause.status_code)
    return GatewayRefusedError(f"The gateway refused ({code}): {said}", code)


def ask_when_ready(
    asking: Callable[[], Answer],
    *,
    patience_s: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """Asks again while the gateway says that the model is not there yet.

    Raises:
        GatewayRefusedError: the last refusal, once `patience_s` has passed.
    """
    until = clock() + patience_s
    while True:
        try:
            return asking()
        except GatewayRefusedError as refusal:
            if refusal.code not in PASSING or clock() > until:
                raise
        sleep(RETRY_S)
