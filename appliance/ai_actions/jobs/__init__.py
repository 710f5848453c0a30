"""Runs what was asked, in the background."""

from appliance.ai_actions.jobs.echoes import Echoes
from appliance.ai_actions.jobs.forgetting import jobs
from appliance.ai_actions.jobs.workers import Pace, Workers

__all__ = ["Echoes", "Pace", "Workers", "jobs"]
