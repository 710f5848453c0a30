"""How an instance has a gateway try a model's endpoint, and what it is told of it.

A POST of a `ModelCheck` to `CHECK_PATH` with a token of use `instance`; the answer is a
`ModelChecked`. Only the gateway may reach model endpoints, so nobody else can try one.
"""

from typing import Any

import msgspec

CHECK_PATH = "/v1/models/check"
# An API key of 4,096 characters and an endpoint of 2,048, escaped.
MAX_CHECK_BYTES = 64 * 1024
MAX_CHECKED_BYTES = 64 * 1024

# What the instance calls its own step before those of the gateway: the way to it.
GATEWAY = "gateway"
# The steps, in their order; one that fails is the last.
ADDRESS = "address"
MODELS = "models"
ANSWER = "answer"
STREAM = "stream"
STEPS = (ADDRESS, MODELS, ANSWER, STREAM)

# The code of a step that passed.
OK = "ok"

# How long each step may take at most. A model that is read from disk takes long to its first token.
STEP_S = 3.0
FIRST_TOKEN_S = 30.0
# The whole check, with second tries at other paths and with the other question.
WHOLE_CHECK_S = 75.0


class ModelCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What to try: a base URL, the model's name there as it is registered, and the API key."""

    endpoint: str
    identifier: str
    api_key: str | None = None

    def __repr__(self) -> str:
        """Without the key."""
        return f"ModelCheck(endpoint={self.endpoint!r}, identifier={self.identifier!r})"

    # Tracebacks that are drawn ask for this one.
    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Without the key."""
        return [("endpoint", self.endpoint), ("identifier", self.identifier)]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one step; `code` is stable, `OK` for one that passed.

    `fix` is a sentence that says what to do. `proposes` has the fields of the registration that
    would mend it, such as `{"endpoint": "http://10.0.0.5:8000/v1"}`.
    """

    name: str
    success: bool
    code: str
    message: str
    fix: str | None = None
    proposes: dict[str, str] = {}


class ModelChecked(msgspec.Struct, frozen=True, kw_only=True):
    """What came of each step that was taken."""

    findings: tuple[Finding, ...]
