"""What a model is called by its endpoint, from what an admin of the real system writes."""

# In the real system the part before the first `/` may name a client library's transport. Those of
# clouds would be called by that library; here nothing but the model's own endpoints is.
OUR_TRANSPORTS = ("custom_openai/", "openai/")
CLOUD_TRANSPORTS = {
    "bedrock/": "AWS Bedrock",
    "azure/": "Azure OpenAI",
    "vertex_ai/": "Google Vertex AI",
}


def served_identifier(identifier: str) -> str:
    """The name that the endpoint knows; a `/` may well be a part of it, as in `Qwen/Qwen2.5-7B`."""
    for transport in OUR_TRANSPORTS:
        if identifier.startswith(transport):
            return identifier.removeprefix(transport)
    return identifier


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
