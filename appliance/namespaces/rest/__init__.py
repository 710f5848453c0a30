"""Groups and their members over REST."""

from appliance.namespaces.rest import groups, members

handlers = (*groups.handlers, *members.handlers)
