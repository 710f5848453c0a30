"""The rows of requests, threads and messages."""

from appliance.ai_actions.tables import requests, threads

__all__ = ["requests", "threads"]
