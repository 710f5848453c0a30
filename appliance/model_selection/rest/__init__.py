"""Who may choose which model, and which there are, over REST."""

from appliance.model_selection.rest import offered

handlers = offered.handlers

__all__ = ["handlers"]
