"""Who may choose which model, and which there are, over REST."""

from appliance.model_selection.rest import features, groups, offered

handlers = (*features.handlers, *groups.handlers, *offered.handlers)

__all__ = ["handlers"]
