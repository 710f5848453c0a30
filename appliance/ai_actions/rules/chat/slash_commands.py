"""What a question that begins with a slash asks for, and who may ask for it."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from appliance.ai_actions.rules.values import ActionName, ResourceKind

CommandName = Literal[
    "explain",
    "tests",
    "refactor",
    "fix",
    "summarize_comments",
    "troubleshoot",
    "help",
    "clear",
    "new",
    "reset",
]
_COMMAND = re.compile(r"\s*/([a-z_]+)(?!\S)")
# These leave nothing of what was said before them, and are not kept themselves.
WIPING: frozenset[CommandName] = frozenset({"clear", "new"})
# These are answered with nothing.
SILENT: frozenset[CommandName] = WIPING | {"reset"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A slash command; `action` is what it runs, None when chat itself does it.

    It takes code that is selected (`takes_code`), or is about what the page shows, one of `pages`.
    """

    name: CommandName
    description: str
    action: ActionName | None = None
    unit_primitive: str | None = None
    takes_code: bool = False
    pages: frozenset[ResourceKind] = frozenset()

    @property
    def is_sent_at_once(self) -> bool:
        """Whether nothing needs to be written after it."""
        return not self.takes_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A command with what was written after it."""

    command: Command
    rest: str


def _of_code(name: CommandName, description: str, action: ActionName) -> Command:
    return Command(
        name=name,
        description=description,
        action=action,
        unit_primitive=action,
        takes_code=True,
    )


COMMANDS: Mapping[str, Command] = {
    each.name: each
    for each in (
        _of_code("explain", "Explain the selected code.", "explain_code"),
        _of_code("tests", "Write tests for the selected code.", "write_tests"),
        _of_code("refactor", "Restructure the selected code.", "refactor_code"),
        _of_code("fix", "Correct the selected code.", "fix_code"),
        Command(
            name="summarize_comments",
            description="Summarise what was said on this issue or merge request.",
            action="summarize_comments",
            unit_primitive="summarize_comments",
            pages=frozenset({"Issue", "MergeRequest"}),
        ),
        Command(
            name="troubleshoot",
            description="Find out why this job failed.",
            action="troubleshoot_job",
            unit_primitive="troubleshoot_job",
            pages=frozenset({"Job"}),
        ),
        Command(name="help", description="Say what can be asked here."),
        Command(name="clear", description="Delete what was said in this conversation."),
        Command(name="new", description="Begin a new conversation; this one is deleted."),
        Command(name="reset", description="Forget what was said so far, but keep it readable."),
    )
}


def asked_command(question: str) -> Asked | None:
    """The command that a question begins with.

    What is no command of ours is plain text: people write about paths, too.
    """
    found = _COMMAND.match(question)
    command = None if found is None else COMMANDS.get(found[1])
    if found is None or command is None:
        return None
    return Asked(command=command, rest=question[found.end() :].strip())


def is_open(command: Command, scopes: Collection[str]) -> bool:
    """Whether the command may be asked by who holds those scopes."""
    return command.unit_primitive is None or command.unit_primitive in scopes


def offered(scopes: Collection[str], *, page: ResourceKind | None = None) -> Sequence[Command]:
    """The commands for who holds those scopes and looks at such a page."""
    return [
        each
        for each in COMMANDS.values()
        if is_open(each, scopes) and (not each.pages or page in each.pages)
    ]


def help_text(commands: Sequence[Command]) -> str:
    """What `/help` answers."""
    listed = "\n".join(f"- `/{each.name}`: {each.description}" for each in commands)
    return (
        "Ask about code, issues, merge requests, jobs, or how this product is used. "
        f"These commands can begin a question:\n\n{listed}"
    )


def missing_code(command: Command) -> str:
    """What to do when nothing is selected."""
    return f"Select the code that /{command.name} is about, or write it after the command."


def wrong_page(command: Command) -> str:
    """What to do when the page shows nothing that the command could be about."""
    named = {"Issue": "an issue", "MergeRequest": "a merge request", "Job": "a failed job"}
    places = " or ".join(named.get(kind, kind) for kind in sorted(command.pages))
    return f"Use /{command.name} on the page of {places}."
