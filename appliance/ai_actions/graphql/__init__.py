"""AI actions and conversations in GraphQL, under GitLab's names."""

from appliance.ai_actions.graphql.asking import AiActionMutation
from appliance.ai_actions.graphql.ids import scalars
from appliance.ai_actions.graphql.listening import AnswersSubscription
from appliance.ai_actions.graphql.mutations import ConversationsMutation
from appliance.ai_actions.graphql.queries import ConversationsQuery

QUERIES: tuple[type, ...] = (ConversationsQuery,)
MUTATIONS: tuple[type, ...] = (AiActionMutation, ConversationsMutation)
SUBSCRIPTIONS: tuple[type, ...] = (AnswersSubscription,)

__all__ = ["MUTATIONS", "QUERIES", "SUBSCRIPTIONS", "scalars"]
