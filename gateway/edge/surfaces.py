"""Which surface answers a request: found without Litestar, whose router costs more than all policy.

Everything else is Litestar's: how the gateway is, and the challenge.
"""

from dataclasses import dataclass

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Scope

from gateway.contract.definitions import DEFINITIONS_PATH
from gateway.contract.probing import CHECK_PATH
from gateway.edge import agent, chat, code, definitions, model_check, openai, prompts

SERVED = (
    *openai.SERVED,
    *code.SERVED,
    *definitions.SERVED,
    *model_check.SERVED,
    *prompts.SERVED,
    *chat.SERVED,
    *agent.SERVED,
)
# Found first, for most of what is asked is one of these.
_OPENAI = frozenset(path for _, path in openai.SERVED)
_BELOW = openai.PREFIX + "/"
_CODE = code.PREFIX + "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfaces:
    """One application for each way of talking to the gateway."""

    openai: ASGIApp
    code: ASGIApp
    definitions: ASGIApp
    model_check: ASGIApp
    prompts: ASGIApp
    chat: ASGIApp
    agent: ASGIApp

    def find(self, scope: Scope) -> ASGIApp | None:
        """Who answers; None: nobody here."""
        if scope["type"] != ScopeType.HTTP:
            return None
        path = scope["path"]
        if path in _OPENAI:
            return self.openai
        if path.startswith((prompts.V1, prompts.V2)):
            return self.prompts
        if path == agent.PATH:
            return self.agent
        if not path.startswith(_BELOW):
            return None
        return self._below(path, scope["method"])

    def _below(self, path: str, method: str) -> ASGIApp:
        if path == DEFINITIONS_PATH:
            return self.definitions
        # By any other method it is the model of that name.
        if path == CHECK_PATH and method == "POST":
            return self.model_check
        if path.startswith(chat.PREFIX):
            return self.chat
        return self.code if path.startswith(_CODE) else self.openai
