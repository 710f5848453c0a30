"""Purchases and seats in GraphQL, under GitLab's names."""

from appliance.licensing.graphql.mutations import LicensingMutation
from appliance.licensing.graphql.queries import LicensingQuery
from appliance.licensing.graphql.values import scalars

__all__ = ["LicensingMutation", "LicensingQuery", "scalars"]
