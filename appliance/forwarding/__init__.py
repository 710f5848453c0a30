"""Hands a user's request on to the gateway, with a token for this one request."""
