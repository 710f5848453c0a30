"""Chat that may look things up: how a model is told of tools, and how its answer is read."""

from gateway.prompts.agent.answers import (
    AgentEvent,
    AgentParser,
    TextDelta,
    ToolCall,
    UnknownTool,
)
from gateway.prompts.agent.asking import AgentInputs, render_agent
from gateway.prompts.agent.conversation import Step, Turn
from gateway.prompts.agent.tools import offered_tools

__all__ = [
    "AgentEvent",
    "AgentInputs",
    "AgentParser",
    "Step",
    "TextDelta",
    "ToolCall",
    "Turn",
    "UnknownTool",
    "offered_tools",
    "render_agent",
]
