"""Projects, and what lies in them, over REST under GitLab's names."""

from appliance.resources.rest import projects

handlers = (*projects.handlers,)
