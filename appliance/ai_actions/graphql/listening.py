"""`aiCompletionResponse`: what is answered, as it comes."""

from collections.abc import AsyncGenerator

import strawberry

from appliance.accounts.rules import Access
from appliance.ai_actions.errors import AnotherUsersAnswersError
from appliance.ai_actions.graphql.ids import AiCatalogItemVersionID, AiModelID
from appliance.ai_actions.graphql.inputs import checked_name
from appliance.ai_actions.graphql.messages import AiMessage, shown_message
from appliance.ai_actions.graphql.names import AiAction
from appliance.ai_actions.rules import Address
from appliance.ai_actions.usecases import Deliveries
from appliance.fields.global_ids import UserID
from appliance.fields.resolving import Info, subscription


@strawberry.type
class AnswersSubscription:
    """What can be listened to."""

    @subscription(
        description="Messages to who listens: those of an action, or else those about a resource; "
        "with a clientSubscriptionId only those that were asked for with the same one",
        access=Access.AI,
    )
    def ai_completion_response(  # each is an argument of the field
        self,
        info: Info,
        *,
        user_id: UserID | None = strawberry.UNSET,
        resource_id: AiModelID | None = strawberry.UNSET,
        agent_version_id: AiCatalogItemVersionID | None = strawberry.UNSET,
        client_subscription_id: str | None = strawberry.UNSET,
        ai_action: AiAction | None = strawberry.UNSET,
    ) -> AsyncGenerator[AiMessage | None, None]:
        """First of all null, once nothing can be missed any more."""
        del agent_version_id
        own = info.context.caller.user.id
        if user_id and user_id != own:
            raise AnotherUsersAnswersError
        address = Address(
            user_id=own,
            action=ai_action.value if ai_action else None,
            resource=None if ai_action else resource_id or None,
            client_subscription_id=checked_name("clientSubscriptionId", client_subscription_id),
        )
        return _messages(info.context.actions.deliveries, address)


async def _messages(
    deliveries: Deliveries, address: Address
) -> AsyncGenerator[AiMessage | None, None]:
    with deliveries.subscribe(address) as taken:
        yield None
        while (message := await taken.take()) is not None:
            yield shown_message(message)
