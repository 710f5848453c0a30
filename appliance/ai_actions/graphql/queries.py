"""What can be asked about conversations, and about what may be asked in them."""

import json
from collections.abc import Sequence
from enum import Enum
from typing import Any, TypeVar

import strawberry

from appliance.accounts.rules import Access
from appliance.ai_actions.graphql.ids import (
    AiCatalogItemVersionID,
    AiConversationThreadID,
    AiModelID,
    format_resource,
)
from appliance.ai_actions.graphql.inputs import storable
from appliance.ai_actions.graphql.messages import (
    AiConversationsThread,
    AiMessage,
    shown_message,
    shown_thread,
)
from appliance.ai_actions.graphql.names import (
    AiConversationsThreadsConversationType,
    AiMessageRole,
)
from appliance.ai_actions.rules.chat.pages import MAX_QUESTIONS, preset_questions, shown_page
from appliance.ai_actions.rules.codes import CODES
from appliance.ai_actions.usecases import (
    commands_on,
    list_threads,
    messages_to,
    title_of_resource,
)
from appliance.errors import InvalidFieldsError
from appliance.fields.connections import Connection, asked_span, connected
from appliance.fields.global_ids import ProjectID
from appliance.fields.resolving import Info, field
from gateway.contract.catalog import load_catalog

MAX_REQUESTS = 100
Member = TypeVar("Member", bound=Enum)


@strawberry.type(description="A command that a question may begin with")
class AiSlashCommand:
    """`should_submit`: nothing needs to be written after it."""

    name: str
    description: str
    should_submit: bool


@strawberry.type(description="What could be asked about what a page shows")
class AiChatContextPresets:
    """`ai_resource_data` is JSON as text: what the page is about, as the asker sees it."""

    questions: list[str]
    ai_resource_data: str | None


@strawberry.type(description="What a code in an answer means")
class AiErrorCode:
    """A line of the one table of codes."""

    code: str
    message: str
    fix: str


@strawberry.type
class ConversationsQuery:
    """What users can ask about their own conversations."""

    @field(
        description="What was said: in answer to these requests, in that conversation, or in the "
        "newest one of that type; the oldest first",
        access=Access.AI,
    )
    def ai_messages(  # noqa: PLR0913  # each is an argument of the field
        self,
        info: Info,
        *,
        request_ids: list[strawberry.ID] | None = strawberry.UNSET,
        roles: list[AiMessageRole] | None = strawberry.UNSET,
        conversation_type: AiConversationsThreadsConversationType | None = strawberry.UNSET,
        thread_id: AiConversationThreadID | None = strawberry.UNSET,
        agent_version_id: AiCatalogItemVersionID | None = strawberry.UNSET,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Connection[AiMessage] | None:
        """Of what is another's there is nothing; there are no agents here."""
        del agent_version_id
        asked = info.context
        uids = _request_uids(request_ids) if isinstance(request_ids, list) else None
        span = asked_span(first=first, after=after, last=last, before=before)
        said = asked.read(
            lambda session: messages_to(
                session,
                asked.caller.user.id,
                request_uids=uids,
                roles=[each.value for each in roles] if roles else None,
                thread_id=thread_id or None,
                conversation_type=_value(conversation_type),
            )
        )
        return connected(said, span, shown_message)

    @field(description="Who asks: their conversations, the newest first", access=Access.AI)
    def ai_conversation_threads(  # noqa: PLR0913  # each is an argument of the field
        self,
        info: Info,
        *,
        conversation_type: AiConversationsThreadsConversationType | None = strawberry.UNSET,
        id: AiConversationThreadID | None = strawberry.UNSET,  # noqa: A002  # GitLab's name
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Connection[AiConversationsThread] | None:
        """Of all types, unless one is named."""
        asked = info.context
        span = asked_span(first=first, after=after, last=last, before=before)
        found = asked.read(
            lambda session: list_threads(
                session,
                asked.caller.user.id,
                conversation_type=_value(conversation_type),
                thread_id=id or None,
            )
        )
        return connected(found, span, shown_thread)

    @field(
        description="The commands that a question may begin with on the page of that address",
        access=Access.AI,
    )
    def ai_slash_commands(self, info: Info, url: str) -> list[AiSlashCommand] | None:
        """Those that who asks may use."""
        asked, catalog = info.context, load_catalog()
        found = asked.read(
            lambda session: commands_on(
                session, asked.caller.user, url, catalog=catalog, now=asked.now
            )
        )
        return [
            AiSlashCommand(
                name=f"/{each.name}",
                description=each.description,
                should_submit=each.is_sent_at_once,
            )
            for each in found
        ]

    @field(description="What could be asked about what a page shows", access=Access.AI)
    def ai_chat_context_presets(
        self,
        info: Info,
        *,
        url: str | None = strawberry.UNSET,
        resource_id: AiModelID | None = strawberry.UNSET,
        project_id: ProjectID | None = strawberry.UNSET,
        question_count: int | None = strawberry.UNSET,
    ) -> AiChatContextPresets | None:
        """The resource decides, else the address; a project alone changes nothing."""
        del project_id
        page = shown_page(url) if url else None
        kind = resource_id.kind if resource_id else page.kind if page else None
        count = question_count if isinstance(question_count, int) else MAX_QUESTIONS
        return AiChatContextPresets(
            questions=list(preset_questions(kind, count)),
            ai_resource_data=_resource_data(info, resource_id) if resource_id else None,
        )

    @field(description="What each code in an answer means, and what helps", access=Access.AI)
    def ai_error_codes(self) -> list[AiErrorCode] | None:
        """The same for everybody."""
        return [
            AiErrorCode(code=each.code, message=each.message, fix=each.fix)
            for each in CODES.values()
        ]


def _request_uids(given: Sequence[str]) -> Sequence[str]:
    if len(given) > MAX_REQUESTS:
        raise InvalidFieldsError({"requestIds": f"must be at most {MAX_REQUESTS}"})
    return [storable(each) for each in given]


def _value(member: Member | None) -> Any:
    # A NewType of strings on the other side; `or` leaves out null and what was not given alike.
    return member.value if member else None


def _resource_data(info: Info, resource: AiModelID) -> str:
    asked = info.context
    title = asked.read(
        lambda session: title_of_resource(session, asked.caller.user, resource, now=asked.now)
    )
    return json.dumps({"type": resource.kind, "id": format_resource(resource), "title": title})
