"""What is said in conversations and answered to actions, in GraphQL."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON

from appliance.ai_actions.graphql.ids import AiCatalogItemVersionID, AiConversationThreadID
from appliance.ai_actions.graphql.names import (
    AiAdditionalContextCategory,
    AiConversationsThreadsConversationType,
    AiMessageRole,
    AiMessageType,
)
from appliance.ai_actions.rules import Message
from appliance.ai_actions.rules.chat.threads import Thread
from appliance.ai_actions.rules.html import safe_html
from appliance.fields.resolving import field

_CATEGORIES = {each.value: each for each in AiAdditionalContextCategory}


@strawberry.type(description="Something that was added to a question")
class AiAdditionalContext:
    """Something that was added to a question."""

    category: AiAdditionalContextCategory
    id: strawberry.ID
    content: str | None
    metadata: JSON | None


@strawberry.type(description="What belongs to a message beside its text")
class AiMessageExtras:
    """Where an answer has its facts from, and what was added to a question."""

    sources: list[JSON] | None
    has_feedback: bool | None
    additional_context: list[AiAdditionalContext] | None


@strawberry.type(description="Something that was said, or a part of what is being said")
class AiMessage:
    """`chunk_id` counts the parts of an answer from 1, and is null in a whole one."""

    id: strawberry.ID | None
    request_id: str | None
    content: str | None
    role: AiMessageRole
    timestamp: datetime
    chunk_id: int | None
    errors: list[str] | None
    type: AiMessageType | None
    extras: AiMessageExtras | None
    agent_version_id: AiCatalogItemVersionID | None
    thread_id: AiConversationThreadID | None
    html: strawberry.Private[str | None]

    @field(description="The same as HTML that can do nothing but be read; null in parts")
    def content_html(self) -> str | None:
        """Made here only where nobody made it before: it costs some milliseconds."""
        is_whole = self.chunk_id is None and self.type is None
        if self.html is not None or self.content is None or not is_whole:
            return self.html
        return safe_html(self.content)


@strawberry.type(description="A conversation")
class AiConversationsThread:
    """A conversation; it is only ever shown to who leads it."""

    id: AiConversationThreadID
    title: str | None
    conversation_type: AiConversationsThreadsConversationType
    created_at: datetime
    last_updated_at: datetime


def shown_message(message: Message) -> AiMessage:
    """A message as clients read it."""
    thread_id = message.thread_id
    return AiMessage(
        id=strawberry.ID(message.uid),
        request_id=message.request_uid,
        content=message.content,
        role=AiMessageRole(message.role),
        timestamp=message.timestamp,
        chunk_id=message.chunk_id,
        errors=list(message.errors),
        type=None if message.type is None else AiMessageType(message.type),
        extras=_shown_extras(message.extras),
        agent_version_id=None,
        thread_id=None if thread_id is None else AiConversationThreadID(thread_id),
        html=message.content_html,
    )


def shown_thread(thread: Thread) -> AiConversationsThread:
    """A conversation as clients read it."""
    return AiConversationsThread(
        id=AiConversationThreadID(thread.id),
        title=thread.title or None,
        conversation_type=AiConversationsThreadsConversationType(thread.conversation_type),
        created_at=thread.created_at,
        last_updated_at=thread.updated_at,
    )


def _shown_extras(extras: Mapping[str, Any]) -> AiMessageExtras:
    added = extras.get("additionalContext") or ()
    return AiMessageExtras(
        sources=list(extras.get("sources") or ()),
        has_feedback=bool(extras.get("hasFeedback")),
        additional_context=[
            AiAdditionalContext(
                category=_CATEGORIES[each["category"]],
                id=strawberry.ID(str(each["id"])),
                content=each.get("content"),
                metadata=each.get("metadata"),
            )
            for each in added
            # A later release may have kept one that this one does not know.
            if each["category"] in _CATEGORIES
        ],
    )
