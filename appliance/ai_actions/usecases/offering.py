"""What a user may ask where they are, and what was said to them before."""

from collections.abc import Collection, Sequence
from datetime import datetime

from appliance.access_tokens.usecases import effective_grant
from appliance.accounts.rules import User
from appliance.ai_actions.rules import ConversationType, Message, ResourceRef, Role
from appliance.ai_actions.rules.chat.pages import ShownPage, shown_page
from appliance.ai_actions.rules.chat.slash_commands import Command, offered
from appliance.ai_actions.usecases.accepting import ended_of
from appliance.ai_actions.usecases.runs import final_message
from appliance.ai_actions.usecases.threads import messages_of
from appliance.errors import NotFoundError
from appliance.namespaces.rules import Namespace
from appliance.namespaces.usecases import default_namespace
from appliance.resources.usecases import find_resource, named_project, namespace_of
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog


def commands_on(
    session: Session, user: User, url: str, *, catalog: Catalog, now: datetime
) -> Sequence[Command]:
    """The slash commands that the user may begin a question with on the page of that address."""
    page = shown_page(url)
    group = _group_of(session, user, page, now=now)
    grant = effective_grant(session, user, namespace=group, catalog=catalog, now=now)
    return offered(grant.scopes, page=None if page is None else page.kind)


def title_of_resource(session: Session, user: User, resource: ResourceRef, *, now: datetime) -> str:
    """What a resource is called.

    Raises:
        NotFoundError: no such thing, or not for this user.
    """
    found = find_resource(session, user, resource.kind, number=resource.id, now=now)
    title: str = getattr(found, "title", "") or getattr(found, "name", "")
    return title


def messages_to(
    session: Session,
    user_id: int,
    *,
    request_uids: Collection[str] | None = None,
    roles: Collection[Role] | None = None,
    thread_id: int | None = None,
    conversation_type: ConversationType | None = None,
) -> Sequence[Message]:
    """What was said in a conversation, and the answers to those requests; the oldest first."""
    kept = messages_of(
        session,
        user_id,
        request_uids=request_uids,
        roles=roles,
        thread_id=thread_id,
        conversation_type=conversation_type,
    )
    if not request_uids or (roles and "ASSISTANT" not in roles):
        return kept
    # Actions have no conversation in which their answer would be kept.
    told = {each.request_uid for each in kept if each.role == "ASSISTANT"}
    ended = ended_of(session, user_id, [each for each in request_uids if each not in told])
    answers = [
        final_message(each, content_html=None)
        for each in ended
        if not each.answer.is_silent and thread_id in {None, each.request.thread_id}
    ]
    return sorted([*kept, *answers], key=lambda each: each.timestamp)


def _group_of(
    session: Session, user: User, page: ShownPage | None, *, now: datetime
) -> Namespace | None:
    if page is not None:
        try:
            project = named_project(session, user, page.project_path, now=now)
            return namespace_of(session, project)
        except NotFoundError:
            pass
    return default_namespace(session, user, now=now)
