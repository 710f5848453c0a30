"""What the instance has the gateway do: for a user who asks, and for itself."""

from appliance.forwarding.rest.probing import GatewayProbe
from appliance.forwarding.rest.requests import handlers

__all__ = ["GatewayProbe", "handlers"]
