"""The tools that a chat may be offered, and to whom."""

import tomllib
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib.resources import files

import msgspec


class Tool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that the asking side can look up; a model is told of `description` and `input`."""

    description: str
    input: str
    unit_primitive: str
    kinds: frozenset[str]


@cache
def load_tools() -> Mapping[str, Tool]:
    """All tools of this release, by name."""
    text = files(__package__).joinpath("tools.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Tool])


def offered_tools(scopes: Collection[str], kind: str) -> tuple[str, ...]:
    """The names of the tools that a token's scopes open, of those that its issuer can run.

    `kind` is the issuer's profile; tokens that a gateway made for users of a GitLab count as its.
    """
    runner = kind if kind == "casemate" else "gitlab"
    return tuple(
        name
        for name, tool in load_tools().items()
        if runner in tool.kinds and tool.unit_primitive in scopes
    )


def described(names: Iterable[str]) -> str:
    """What a model is told of the tools, one a line; of one that nobody knows, nothing."""
    tools = load_tools()
    return "\n".join(
        f"- {name}: {tools[name].description} Input: {tools[name].input}."
        for name in names
        if name in tools
    )
