"""The schema: nothing but what the concepts export, joined."""

from collections.abc import Mapping
from datetime import datetime

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types
from strawberry.types.execution import ExecutionContext
from strawberry.types.scalar import ScalarDefinition

from appliance.access_tokens.graphql import CurrentUserQuery
from appliance.ai_actions import graphql as ai_actions
from appliance.explanations.graphql import ExplanationsQuery
from appliance.feature_flags.graphql import FlagsQuery
from appliance.fields import global_ids
from appliance.fields.resolving import Needs
from appliance.graphql.errors import FieldWithoutAccessError
from appliance.instance_settings.graphql import SettingsMutation, SettingsQuery
from appliance.licensing import graphql as licensing
from appliance.model_selection import graphql as model_selection

QUERIES: tuple[type, ...] = (
    CurrentUserQuery,
    FlagsQuery,
    licensing.LicensingQuery,
    ExplanationsQuery,
    SettingsQuery,
    *model_selection.QUERIES,
    *ai_actions.QUERIES,
)
MUTATIONS: tuple[type, ...] = (
    licensing.LicensingMutation,
    SettingsMutation,
    *model_selection.MUTATIONS,
    *ai_actions.MUTATIONS,
)
SUBSCRIPTIONS: tuple[type, ...] = ai_actions.SUBSCRIPTIONS
SCALARS: Mapping[object, ScalarDefinition] = {
    **global_ids.scalars,
    **licensing.scalars,
    **model_selection.scalars,
    **ai_actions.scalars,
    # GitLab's name for it.
    datetime: strawberry.scalar(
        name="Time",
        description="A moment, as in ISO 8601",
        serialize=datetime.isoformat,
        parse_value=datetime.fromisoformat,
    ),
}


class Schema(strawberry.Schema):
    """A schema that leaves it to whoever answers to say what went wrong."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Logs nothing: the library would log a trace for every refusal."""
        del errors, execution_context


def build_schema() -> Schema:
    """Joins everything.

    Raises:
        FieldWithoutAccessError: a field does not say whom it is open to.
    """
    check_every_field_states_its_access(*QUERIES, *MUTATIONS, *SUBSCRIPTIONS)
    return Schema(
        query=merge_types("Query", QUERIES),
        mutation=merge_types("Mutation", MUTATIONS),
        subscription=merge_types("Subscription", SUBSCRIPTIONS),
        # Not sorted: the library's sorted enumerations no longer know their members.
        config=StrawberryConfig(disable_field_suggestions=True, scalar_map=SCALARS),
    )


def check_every_field_states_its_access(*roots: type) -> None:
    """Passes when each field of each of these types does.

    Raises:
        FieldWithoutAccessError: one does not.
    """
    for root in roots:
        for field in strawberry.types.get_object_definition(root, strict=True).fields:
            if not any(isinstance(each, Needs) for each in field.extensions):
                raise FieldWithoutAccessError(field.name)
