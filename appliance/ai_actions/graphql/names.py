"""The words of conversations and messages, as GitLab's clients write them."""

from enum import Enum

import strawberry


@strawberry.enum(description="Who said something")
class AiMessageRole(Enum):
    """Who said something."""

    USER = "USER"
    ASSISTANT = "ASSISTANT"
    SYSTEM = "SYSTEM"


@strawberry.enum(description="What a message is, when it is no part of the conversation")
class AiMessageType(Enum):
    """A notice that something is being read."""

    TOOL = "TOOL"


@strawberry.enum(description="What an answer is to")
class AiAction(Enum):
    """Under which name answers are subscribed to."""

    CHAT = "chat"


@strawberry.enum(description="What kind of conversation it is")
class AiConversationsThreadsConversationType(Enum):
    """What kind of conversation it is; only in DUO_CHAT_LEGACY the newest one goes on."""

    DUO_CHAT = "DUO_CHAT"
    DUO_CHAT_LEGACY = "DUO_CHAT_LEGACY"
    DUO_CODE_REVIEW = "DUO_CODE_REVIEW"
    DUO_QUICK_CHAT = "DUO_QUICK_CHAT"


@strawberry.enum(description="What is added to a question; each needs a right of its own")
class AiAdditionalContextCategory(Enum):
    """What is added to a question; the value is the gateway's word."""

    AGENT_USER_ENVIRONMENT = "agent_user_environment"
    DEPENDENCY = "dependency"
    DIRECTORY = "directory"
    FILE = "file"
    ISSUE = "issue"
    LOCAL_GIT = "local_git"
    MERGE_REQUEST = "merge_request"
    REPOSITORY = "repository"
    SNIPPET = "snippet"
    TERMINAL = "terminal"
    USER_RULE = "user_rule"
