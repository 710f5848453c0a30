"""Self-hosted models over REST, for admins; an API key goes in and never comes out."""

from appliance.self_hosted_models.rest import probing, registration
from appliance.self_hosted_models.rest.probing import ModelChecks

handlers = (*registration.handlers, *probing.handlers)

__all__ = ["ModelChecks", "handlers"]
