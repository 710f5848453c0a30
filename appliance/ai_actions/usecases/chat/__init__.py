"""Answers questions in chat."""

from appliance.ai_actions.usecases.chat.conversing import ChatRunner
from appliance.ai_actions.usecases.chat.tools import Toolbox

__all__ = ["ChatRunner", "Toolbox"]
