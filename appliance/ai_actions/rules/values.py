"""What is asked of an AI, what is answered, and where the answer goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

ActionName = Literal[
    "chat",
    "summarize_comments",
    "explain_code",
    "explain_vulnerability",
    "resolve_vulnerability",
    "generate_commit_message",
    "generate_description",
    "summarize_review",
    "summarize_new_merge_request",
    "description_composer",
    "measure_comment_temperature",
    "write_tests",
    "refactor_code",
    "fix_code",
    "troubleshoot_job",
]
# What a global id may name: the kinds of AiModelID, as `gid://gitlab/KIND/NUMBER` has them.
ResourceKind = Literal["Issue", "MergeRequest", "Project", "Group", "Job", "Vulnerability", "User"]
ConversationType = Literal["DUO_CHAT", "DUO_CHAT_LEGACY", "DUO_CODE_REVIEW", "DUO_QUICK_CHAT"]
Role = Literal["USER", "ASSISTANT", "SYSTEM"]
RequestState = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED: frozenset[RequestState] = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRef:
    """What a request is about."""

    kind: ResourceKind
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a user asks for, parsed; `inputs` are the action's own, as JSON can carry them.

    `thread_id` is only of chat; without one a thread of `conversation_type` is begun, or in
    `DUO_CHAT_LEGACY` the newest goes on. `client_ip` is whom the gateway's allow-lists look at.
    """

    action: ActionName
    user_id: int
    credential_id: int
    client_ip: str
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    resource: ResourceRef | None = None
    project_id: int | None = None
    root_namespace_id: int | None = None
    thread_id: int | None = None
    conversation_type: ConversationType | None = None
    client_subscription_id: str | None = None
    platform_origin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where an accepted wish belongs: the group that it counts for, its project, its thread."""

    namespace_id: int | None = None
    project_id: int | None = None
    thread_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A wish that was accepted; `uid` is its name outside, `attempt` counts its runs from 1.

    With `is_cancelled` its user wants no answer any more. `namespace_id` is the group whose grant,
    models and usage count; None: the user has none.
    """

    id: int
    uid: str
    action: ActionName
    user_id: int
    credential_id: int
    client_ip: str
    inputs: Mapping[str, Any] = field(repr=False)
    resource: ResourceRef | None
    project_id: int | None
    namespace_id: int | None
    thread_id: int | None
    client_subscription_id: str | None
    state: RequestState
    attempt: int
    created_at: datetime
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a request ends: with text, or with a code of the table and sentences for the user.

    `content` is Markdown. `is_silent` is of chat commands that
    are answered with nothing.
    """

    content: str
    code: str | None = None
    errors: Sequence[str] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)
    is_silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A request with its answer."""

    request: Request
    answer: Answer
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a subscriber or a reader gets: AiMessage of the wire facts.

    `chunk_id` counts from 1 in what is streamed, and is None in what is whole. `type` is `TOOL`
    for a notice that something is being read.
    """

    uid: str
    request_uid: str
    role: Role
    timestamp: datetime
    content: str | None = None
    content_html: str | None = None
    chunk_id: int | None = None
    errors: Sequence[str] = ()
    type: Literal["TOOL"] | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    thread_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One of the two keys under which an answer is delivered; equal keys receive it.

    `action` is named in one of them, `resource` in the other.
    """

    user_id: int
    action: ActionName | None = None
    resource: ResourceRef | None = None
    client_subscription_id: str | None = None


def addresses_of(request: Request, role: Role) -> tuple[Address, Address]:
    """The keys under which a message of the request goes out.

    What the user said goes to all of their tabs, the answer to the one that asked.
    """
    subscription = None if role == "USER" else request.client_subscription_id
    return (
        Address(
            user_id=request.user_id, action=request.action, client_subscription_id=subscription
        ),
        Address(
            user_id=request.user_id, resource=request.resource, client_subscription_id=subscription
        ),
    )
