"""Chat's tools: each reads one thing, with a right of its own, and none writes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from appliance.accounts.rules import Caller
from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules import Request
from appliance.ai_actions.rules.catalogue import CHAT
from appliance.ai_actions.rules.chat import observations
from appliance.ai_actions.rules.chat.documentation import PAGES_PATH, load_library
from appliance.ai_actions.rules.chat.references import Kind, input_text, parse
from appliance.ai_actions.rules.gateway.answers import ToolCall
from appliance.ai_actions.usecases.chat.reading import READERS, Look
from appliance.ai_actions.usecases.permitting import permitted_again
from appliance.errors import NotFoundError
from appliance.instance_settings.rules import Addresses
from appliance.instance_settings.usecases import addresses
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool as the gateway names it; `kind` None: it reads the documentation."""

    name: str
    unit_primitive: str
    notice: str
    kind: Kind | None = None


TOOLS: Mapping[str, Tool] = {
    each.name: each
    for each in (
        Tool(
            name="issue_reader",
            unit_primitive="ask_issue",
            notice="Reading an issue",
            kind="issue",
        ),
        Tool(
            name="merge_request_reader",
            unit_primitive="ask_merge_request",
            notice="Reading a merge request",
            kind="merge_request",
        ),
        Tool(name="build_reader", unit_primitive="ask_build", notice="Reading a job", kind="job"),
        Tool(
            name="project_reader",
            unit_primitive=CHAT,
            notice="Reading a project",
            kind="project",
        ),
        Tool(
            name="gitlab_documentation",
            unit_primitive="documentation_search",
            notice="Searching the documentation",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a tool found; `sources` are shown to the user."""

    text: str = field(repr=False)
    sources: Sequence[Mapping[str, Any]] = ()


def offered_tools(scopes: Collection[str]) -> list[str]:
    """The tools for who holds those scopes."""
    return [name for name, tool in TOOLS.items() if tool.unit_primitive in scopes]


class Toolbox:
    """Runs what a model asks for, if its asker might do so, too."""

    def __init__(self, *, catalog: Catalog, told: Addresses) -> None:
        self._catalog = catalog
        self._told = told

    def use(
        self, session: Session, request: Request, call: ToolCall, *, now: datetime
    ) -> Observation:
        """What the call finds, with the asker's rights of this moment.

        What is not there, and what the asker may not read, are told in the same words.
        """
        tool = TOOLS.get(call.tool)
        if tool is None:
            return Observation(text=observations.NO_SUCH_TOOL)
        try:
            caller = self._check(session, request, tool.unit_primitive, now=now)
            public_url = addresses(session, self._told).instance_public_url
            given = input_text(call.tool_input)
            if tool.kind is None:
                return _search(given, public_url=public_url)
            reference = parse(given, tool.kind, public_url=public_url)
            if reference is None:
                return Observation(text=observations.NOT_FOUND)
            look = Look(
                session=session,
                user=caller.user,
                request=request,
                now=now,
                may=lambda name: self._may(session, request, name, now=now),
            )
            return Observation(text=READERS[tool.kind](look, reference))
        except (ActionFailedError, NotFoundError):
            return Observation(text=observations.NOT_FOUND)

    def _check(
        self, session: Session, request: Request, unit_primitive: str, *, now: datetime
    ) -> Caller:
        return permitted_again(
            session, request, catalog=self._catalog, now=now, unit_primitive=unit_primitive
        )

    def _may(
        self, session: Session, request: Request, unit_primitive: str, *, now: datetime
    ) -> bool:
        try:
            self._check(session, request, unit_primitive, now=now)
        except ActionFailedError:
            return False
        return True


def _search(question: str, *, public_url: str) -> Observation:
    found = load_library().search(question)
    if not found:
        return Observation(text=observations.NO_DOCUMENTATION)
    sources = [
        {"title": page.title, "source_url": f"{public_url}{PAGES_PATH}/{page.name}"}
        for page in found
    ]
    return Observation(text=observations.of_pages(found), sources=sources)
