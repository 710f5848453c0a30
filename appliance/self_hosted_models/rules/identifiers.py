"""What a model is called by its endpoint, from what an admin of the real system writes."""

from gateway.contract.identifiers import served_identifier

__all__ = ["problem_of_transport", "served_identifier"]

# In the real system the part before the first `/` may name a client library's transport. Those of
# clouds would be called by that library; here nothing but the model's own endpoints is.
CLOUD_TRANSPORTS = {
    "bedrock/": "AWS Bedrock",
    "azure/": "Azure OpenAI",
    "vertex_ai/": "Google Vertex AI",
}


def problem_of_transport(identifier: str) -> str | None:
    """Why no endpoint can be asked for it; None if one can."""
    for transport, cloud in CLOUD_TRANSPORTS.items():
        if identifier.startswith(transport):
            return (
                f"begins with {transport!r}, which stands for a model of {cloud}: no cloud is "
                "called from here; name the model as its endpoint in this network does"
            )
    if not served_identifier(identifier).strip():
        return f"says {identifier!r} but not which model; write its name after the '/'"
    return None
