"""What a question in chat is asked with: rights, history, page, and what was sent along."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from appliance.access_tokens.usecases import standing
from appliance.accounts.rules import User
from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules import Request
from appliance.ai_actions.rules.catalogue import CHAT
from appliance.ai_actions.rules.chat import contexts, history
from appliance.ai_actions.rules.chat.slash_commands import Asked, asked_command
from appliance.ai_actions.usecases.chat.tools import offered_tools
from appliance.ai_actions.usecases.permitting import permitted_again
from appliance.ai_actions.usecases.threads import told_before
from appliance.errors import NotFoundError
from appliance.model_selection.usecases import effective_in, read_pool
from appliance.namespaces.rules import Namespace
from appliance.namespaces.usecases import get_namespace
from appliance.resources.usecases import visible_issue, visible_merge_request
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog
from gateway.contract.selection import SWITCHING_FLAG

UNAVAILABLE = ("Pipelines", "Vulnerabilities")
NOT_INCLUDED = "M3005"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question and all that is told to the model before it answers."""

    text: str = field(repr=False)
    command: Asked | None
    scopes: frozenset[str]
    messages: Sequence[Mapping[str, Any]] = field(repr=False)
    tools: Sequence[str]
    shown_context: Sequence[Mapping[str, Any]] = field(repr=False)


def prepare(session: Session, request: Request, *, catalog: Catalog, now: datetime) -> Question:
    """The question as it stands now, with the rights that its asker has now.

    Raises:
        ActionFailedError: the asker may not ask it any more, or sends along what they may not.
    """
    user = permitted_again(session, request, catalog=catalog, now=now).user
    namespace = None
    if request.namespace_id is not None:
        namespace = get_namespace(session, request.namespace_id)
    held = standing(session, user, namespace=namespace, catalog=catalog, now=now)
    scopes = frozenset(held.grant.scopes)
    check_context(request.inputs, scopes)
    tokens = _context_tokens(
        session, namespace, catalog=catalog, may_switch=SWITCHING_FLAG in held.flags
    )
    told = history.window(told_before(session, request), budget=history.budget_of(tokens))
    text = str(request.inputs["content"])
    return Question(
        text=text,
        command=asked_command(text),
        scopes=scopes,
        messages=[*history.messages_of(told), _question(session, user, request, now=now)],
        tools=offered_tools(scopes),
        shown_context=contexts.context_for_user(request.inputs),
    )


def check_context(inputs: Mapping[str, Any], scopes: frozenset[str]) -> None:
    """Passes when all that was sent along may be.

    Raises:
        ActionFailedError: a category of it needs a scope that is not held.
    """
    closed = contexts.closed_context(inputs, scopes)
    if closed is not None:
        detail = f"Context of the category {closed} needs {contexts.scope_of(closed)}."
        raise ActionFailedError(NOT_INCLUDED, {"detail": detail})


def _question(
    session: Session, user: User, request: Request, *, now: datetime
) -> Mapping[str, Any]:
    said: dict[str, Any] = {"role": "user", "content": str(request.inputs["content"])}
    page = _page(session, user, request, now=now)
    file = contexts.file_for_model(request.inputs)
    sent = contexts.context_for_model(request.inputs)
    extras = {"context": page, "current_file": file, "additional_context": sent}
    return said | {name: value for name, value in extras.items() if value}


def _page(
    session: Session, user: User, request: Request, *, now: datetime
) -> Mapping[str, Any] | None:
    resource = request.resource
    if resource is None:
        return None
    try:
        match resource.kind:
            case "Issue":
                issue = visible_issue(session, user, resource.id, now=now)
                return {"type": "issue", "title": issue.title}
            case "MergeRequest":
                found = visible_merge_request(session, user, resource.id, now=now)
                return {"type": "merge_request", "title": found.title}
            case "Job":
                return {"type": "build"}
            case "Project" | "Group" | "Vulnerability" | "User":
                return None
    except NotFoundError:
        # It went away since its right was checked; then there is nothing to say of it.
        return None


def _context_tokens(
    session: Session, namespace: Namespace | None, *, catalog: Catalog, may_switch: bool
) -> int:
    holding = effective_in(session, namespace, catalog=catalog, may_switch=may_switch)
    model = read_pool(session, catalog).models.get(holding[CHAT].model or "")
    family = catalog.model_families.get(model.family or "") if model is not None else None
    return family.context_tokens if family is not None else history.LEAST_TOKENS
