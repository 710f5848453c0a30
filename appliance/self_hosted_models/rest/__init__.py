"""Self-hosted models over REST, for admins; an API key goes in and never comes out."""

from appliance.self_hosted_models.rest import registration

handlers = registration.handlers

__all__ = ["handlers"]
