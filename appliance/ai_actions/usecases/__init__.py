"""Accepts requests, runs them, and hands out the answers."""

from appliance.ai_actions.usecases.deliveries import Deliveries, Subscription
from appliance.ai_actions.usecases.running import Runner, Running

__all__ = ["Deliveries", "Runner", "Running", "Subscription"]
