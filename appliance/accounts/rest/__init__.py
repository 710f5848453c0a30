"""Users and their credentials over REST, and who a request is from."""

from appliance.accounts.rest import tokens, users
from appliance.accounts.rest.guard import note_refusal, provide_caller, require_access

__all__ = ["handlers", "note_refusal", "provide_caller", "require_access"]

handlers = (*users.handlers, *tokens.handlers)
