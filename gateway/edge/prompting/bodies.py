"""Reads what GitLab's surfaces are sent; what they do not know is left out."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec

from gateway.contract.identifiers import served_identifier
from gateway.edge.exchange import Exchange
from gateway.errors import UnsupportedMediaTypeError, ValidationFailedError
from gateway.issuer.tokens.profiles import Kind

_GITLAB = "gitlab"
# GitLab's gateway takes no longer ones.
_Identifier = Annotated[str, msgspec.Meta(max_length=1000)]
# A conversation has fewer messages, and a message takes fewer things along.
MAX_MESSAGES = 1000
MAX_ALONG = 1000

Category = Literal[
    "file",
    "snippet",
    "merge_request",
    "issue",
    "dependency",
    "local_git",
    "terminal",
    "repository",
    "directory",
    "os_information",
    "agent_user_environment",
    "user_rule",
]

Body = TypeVar("Body", bound=msgspec.Struct)


class ModelMetadata(msgspec.Struct, frozen=True):
    """Which model is wanted, as an instance writes it; no address or key in it counts."""

    provider: str | None = None
    identifier: _Identifier | None = None


class PromptRequest(msgspec.Struct, frozen=True):
    """What `/v1/prompts` and `/v2/prompts` take."""

    inputs: dict[str, Any]
    prompt_version: str | None = None
    stream: bool | None = None
    model_metadata: ModelMetadata | None = None


class WrittenMessage(msgspec.Struct, frozen=True):
    """A message that the client wrote for the model."""

    role: Literal["system", "user", "assistant"]
    content: str


class Params(msgspec.Struct, frozen=True):
    """How the model is to answer."""

    stop_sequences: tuple[str, ...] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    max_tokens_to_sample: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None


class Payload(msgspec.Struct, frozen=True):
    """A prompt that the client wrote itself."""

    content: str | tuple[WrittenMessage, ...]
    params: Params | None = None
    model_identifier: _Identifier | None = None


class Component(msgspec.Struct, frozen=True):
    """What holds the prompt."""

    payload: Payload


class ChatRequest(msgspec.Struct, frozen=True):
    """What `/v1/chat/{name}` takes."""

    prompt_components: Annotated[tuple[Component, ...], msgspec.Meta(min_length=1, max_length=1)]
    stream: bool | None = None


class Page(msgspec.Struct, frozen=True):
    """What the user looks at; older instances send what is on it, later ones what it is called."""

    type: str
    title: str | None = None
    content: str | None = None


class CurrentFile(msgspec.Struct, frozen=True):
    """What is open in the user's editor, or selected there."""

    file_path: str | None = None
    data: str | None = None
    selected_code: bool = False


class AlongSent(msgspec.Struct, frozen=True):
    """Something that the user sends along; each category needs a scope of its own."""

    category: Category
    id: str | None = None
    content: str | None = None


class UsedTool(msgspec.Struct, frozen=True):
    """What the model wanted to have looked up."""

    tool: str
    tool_input: str | None = None
    thought: str | None = None


class Found(msgspec.Struct, frozen=True):
    """A step of the running turn: what was looked up, and what came of it."""

    action: UsedTool
    observation: str


class OlderStep(UsedTool, frozen=True):
    """A step as older instances write it."""

    observation: str = ""


class OlderScratchpad(msgspec.Struct, frozen=True):
    """The steps of the running turn as older instances write them."""

    steps: Annotated[tuple[OlderStep, ...], msgspec.Meta(max_length=MAX_ALONG)] = ()


class Options(msgspec.Struct, frozen=True):
    """`tools` are the names of those that the caller can run; None: all that the token opens."""

    agent_scratchpad: OlderScratchpad | None = None
    tools: tuple[str, ...] | None = None


class ChatMessage(msgspec.Struct, frozen=True):
    """What one side said, with what was sent along."""

    role: Literal["user", "assistant", "system"]
    content: str | None = None
    context: Page | None = None
    current_file: CurrentFile | None = None
    additional_context: (
        Annotated[tuple[AlongSent, ...], msgspec.Meta(max_length=MAX_ALONG)] | None
    ) = None
    agent_scratchpad: Annotated[tuple[Found, ...], msgspec.Meta(max_length=MAX_ALONG)] | None = None


class AgentRequest(msgspec.Struct, frozen=True):
    """What `/v2/chat/agent` takes."""

    messages: Annotated[
        tuple[ChatMessage, ...], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)
    ]
    options: Options | None = None
    unavailable_resources: tuple[str, ...] | None = None
    model_metadata: ModelMetadata | None = None


def named_model(metadata: ModelMetadata | None, kind: Kind) -> str:
    """The ref that is named, empty if none is; `kind` is the token's.

    A GitLab that has registered a model itself describes it as that model's server knows it. Beside
    our own tokens such a description is ignored: their instance has said which model is meant.
    """
    if metadata is None or not metadata.identifier:
        return ""
    if metadata.provider in {None, _GITLAB}:
        return metadata.identifier
    return "" if kind == "casemate" else served_identifier(metadata.identifier)


def parse(body: bytes, kind: type[Body]) -> Body:
    """The body as what the surface takes.

    Raises:
        ValidationFailedError: it is not that; says where.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as cause:
        raise ValidationFailedError(message=f"Validation error: {cause!s:.500}") from cause
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        message = "Validation error: the body is not JSON."
        raise ValidationFailedError(message=message) from cause


async def read(exchange: Exchange, kind: type[Body], *, limit_bytes: int) -> Body:
    """The body of a request as what the surface takes.

    Raises:
        UnsupportedMediaTypeError: it is not declared as JSON.
        RequestTooLargeError: it is over the limit.
        ValidationFailedError: it is not what the surface takes.
    """
    content_type = exchange.headers.get(b"content-type", b"")
    if not content_type.lower().startswith(b"application/json"):
        raise UnsupportedMediaTypeError
    return parse(await exchange.read_body(limit_bytes=limit_bytes), kind)
