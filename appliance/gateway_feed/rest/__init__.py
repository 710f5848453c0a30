"""The feed, what gateways tell and ask, and the gateways themselves, over REST."""

from appliance.gateway_feed.rest import feed, following, gateways, introspection
from appliance.gateway_feed.rest.streams import Streams

__all__ = ["Streams", "handlers"]

handlers = (
    *feed.handlers,
    *following.handlers,
    *introspection.handlers,
    *gateways.handlers,
)
