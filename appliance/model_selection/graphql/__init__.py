"""Models, and who chooses which, in GraphQL: GitLab's names, those of its drafts, and our own."""

from appliance.model_selection.graphql.chat import ChatModelsQuery
from appliance.model_selection.graphql.group_mutations import GroupModelsMutation
from appliance.model_selection.graphql.instance_mutations import InstanceModelsMutation
from appliance.model_selection.graphql.model_mutations import SelfHostedModelsMutation
from appliance.model_selection.graphql.names import scalars
from appliance.model_selection.graphql.queries import GroupModelsQuery, InstanceModelsQuery

QUERIES: tuple[type, ...] = (InstanceModelsQuery, GroupModelsQuery, ChatModelsQuery)
MUTATIONS: tuple[type, ...] = (
    SelfHostedModelsMutation,
    InstanceModelsMutation,
    GroupModelsMutation,
)

__all__ = ["MUTATIONS", "QUERIES", "scalars"]
