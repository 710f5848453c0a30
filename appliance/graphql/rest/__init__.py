"""Answers GraphQL in every way that clients ask: by POST, as events, over two kinds of socket."""

from appliance.graphql.rest.cable import serve_cable
from appliance.graphql.rest.executing import Answering, MakeContext
from appliance.graphql.rest.operations import answer_operation
from appliance.graphql.rest.sockets import Sockets, Times
from appliance.graphql.rest.transport_ws import serve_operations

__all__ = ["Answering", "MakeContext", "Sockets", "Times", "handlers"]

handlers = (answer_operation, serve_operations, serve_cable)
