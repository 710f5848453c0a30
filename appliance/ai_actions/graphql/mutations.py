"""What else can be done with answers and conversations."""

from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from appliance.accounts.rules import Access
from appliance.ai_actions.graphql.ids import AiCatalogItemVersionID, AiConversationThreadID
from appliance.ai_actions.graphql.inputs import storable
from appliance.ai_actions.usecases import ask_to_cancel, delete_thread, give_feedback
from appliance.errors import NotFoundError
from appliance.fields.resolving import Info, mutation

ENDED = "The request has ended already, or there is none of that id."
NO_THREAD = "There is no such conversation, or it is not yours."
NO_MESSAGE = "There is no such message, or it is not yours."


@strawberry.input(description="A request whose answer nobody waits for any more")
class AiActionCancelInput:
    """The request's id, as aiAction answered it."""

    request_id: str
    client_mutation_id: str | None = strawberry.UNSET


@strawberry.type(description="What came of it: `errors` is empty when it is ending")
class AiActionCancelPayload:
    """The request's last message comes as that of any other."""

    errors: list[str]
    client_mutation_id: str | None


@strawberry.input(description="A conversation that is to be deleted")
class DeleteConversationThreadInput:
    """Its id."""

    thread_id: AiConversationThreadID
    client_mutation_id: str | None = strawberry.UNSET


@strawberry.type(description="What came of it: `errors` is empty when it was deleted")
class DeleteConversationThreadPayload:
    """Nothing of it is kept."""

    success: bool
    errors: list[str]
    client_mutation_id: str | None


@strawberry.input(description="What a client would count; nothing is counted here")
class TrackingEventInput:
    """Taken so that clients of the real system need no other document."""

    category: str
    action: str
    label: str | None = strawberry.UNSET
    property: str | None = strawberry.UNSET
    value: str | None = strawberry.UNSET
    extra: JSON | None = strawberry.UNSET


@strawberry.input(description="That the user said what they think of an answer")
class DuoUserFeedbackInput:
    """Only that they did is kept, not what they said."""

    ai_message_id: str
    agent_version_id: AiCatalogItemVersionID | None = strawberry.UNSET
    tracking_event: TrackingEventInput | None = strawberry.UNSET
    client_mutation_id: str | None = strawberry.UNSET


@strawberry.type(description="What came of it: `errors` is empty when it was noted")
class DuoUserFeedbackPayload:
    """The message has its mark from now on."""

    errors: list[str]
    client_mutation_id: str | None


@strawberry.type
class ConversationsMutation:
    """What else can be done with answers and conversations."""

    @mutation(description="Wants no answer to a request any more", access=Access.AI)
    def ai_action_cancel(
        self,
        info: Info,
        wish: Annotated[AiActionCancelInput, strawberry.argument(name="input")],
    ) -> AiActionCancelPayload | None:
        """It ends with a message that says so."""
        asked, uid = info.context, storable(wish.request_id)
        user_id = asked.caller.user.id
        is_ending = asked.write(lambda session: ask_to_cancel(session, user_id, uid))
        if is_ending:
            asked.wait_for(lambda: asked.actions.cancel(uid))
        return AiActionCancelPayload(
            errors=[] if is_ending else [ENDED], client_mutation_id=wish.client_mutation_id or None
        )

    @mutation(description="Deletes a conversation with all that was said in it", access=Access.AI)
    def delete_conversation_thread(
        self,
        info: Info,
        wish: Annotated[DeleteConversationThreadInput, strawberry.argument(name="input")],
    ) -> DeleteConversationThreadPayload | None:
        """Only one's own."""
        asked, errors = info.context, []
        user_id = asked.caller.user.id
        try:
            asked.write(lambda session: delete_thread(session, user_id, wish.thread_id))
        except NotFoundError:
            errors = [NO_THREAD]
        return DeleteConversationThreadPayload(
            success=not errors, errors=errors, client_mutation_id=wish.client_mutation_id or None
        )

    @mutation(description="Says that the user judged an answer", access=Access.AI)
    def duo_user_feedback(
        self,
        info: Info,
        wish: Annotated[DuoUserFeedbackInput, strawberry.argument(name="input")],
    ) -> DuoUserFeedbackPayload | None:
        """Only one's own answers."""
        asked, errors = info.context, []
        user_id, uid = asked.caller.user.id, storable(wish.ai_message_id)
        try:
            asked.write(lambda session: give_feedback(session, user_id, uid))
        except NotFoundError:
            errors = [NO_MESSAGE]
        return DuoUserFeedbackPayload(
            errors=errors, client_mutation_id=wish.client_mutation_id or None
        )
