"""What tests of the interface have in common."""

from typing import Any

from tests.appliance.conftest import Server

# The model that the set-up registered, and assigned to what it suits.
LOCAL = "smollm2-135m-instruct"


async def register(server: Server, ref: str, **fields: Any) -> None:
    """Registers another model."""
    said = {"ref": ref, "name": ref.title(), "identifier": ref, "endpoint": "http://127.0.0.1:9/v1"}
    answer = await server.ask("POST", "/api/v4/ai/self_hosted_models", json=said | fields)
    assert answer.status_code == 201, answer.text
