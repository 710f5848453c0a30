"""How the name that an endpoint knows a model by is written, as the real system's admins do."""

# What may stand before the name: the way of talking that every endpoint here is talked to in.
TRANSPORTS = ("custom_openai/", "openai/")


def served_identifier(identifier: str) -> str:
    """The name that the endpoint knows; a `/` may well be a part of it, as in `Qwen/Qwen2.5-7B`."""
    for transport in TRANSPORTS:
        if identifier.startswith(transport):
            return identifier.removeprefix(transport)
    return identifier


def written_identifier(name: str) -> str:
    """How a name is written so that `served_identifier` is the whole of it again."""
    return name if served_identifier(name) == name else TRANSPORTS[0] + name
