"""`aiAction`: takes on what is asked for, and answers at once under which name it runs."""

from dataclasses import replace
from typing import Annotated, Any

import strawberry
import structlog
from strawberry.utils.str_converters import to_camel_case

from appliance.accounts.rules import Access
from appliance.ai_actions.errors import ActionRefusedError, ThreadNotFoundError
from appliance.ai_actions.graphql.ids import AiConversationThreadID
from appliance.ai_actions.graphql.inputs import (
    AiActionInput,
    Asked,
    checked_name,
    chosen_action,
    own_inputs,
)
from appliance.ai_actions.rules import Message, Wish
from appliance.ai_actions.rules.html import safe_html
from appliance.ai_actions.usecases import Accepted, ask
from appliance.errors import InvalidFieldsError
from appliance.fields.resolving import Context, Info, mutation
from gateway.contract.catalog import load_catalog

_log = structlog.get_logger()


@strawberry.type(description="What came of it: without a `requestId` nothing runs")
class AiActionPayload:
    """`errors` says why who asks may not ask for it."""

    request_id: str | None
    thread_id: AiConversationThreadID | None
    errors: list[str]
    client_mutation_id: str | None


@strawberry.type
class AiActionMutation:
    """What can be asked of an AI."""

    @mutation(
        description="Asks for exactly one action; its answer comes through aiCompletionResponse, "
        "and aiMessages",
        access=Access.AI,
    )
    def ai_action(
        self,
        info: Info,
        wish: Annotated[Asked, strawberry.argument(name="input", graphql_type=AiActionInput)],
    ) -> AiActionPayload | None:
        """Answered before it runs, unless the instance is set to run it at once."""
        asked, named = info.context, wish.client_mutation_id or None
        parsed = parsed_wish(wish, asked)
        try:
            accepted = _accepted(asked, parsed)
        except ActionRefusedError as refusal:
            _log.info("ai_action_refused", action=parsed.action, code=refusal.shown_code)
            return AiActionPayload(
                request_id=None, thread_id=None, errors=[str(refusal)], client_mutation_id=named
            )
        request, question = accepted.request, _with_html(accepted.question)
        asked.wait_for(lambda: asked.actions.start(request, question))
        thread_id = request.thread_id
        return AiActionPayload(
            request_id=request.uid,
            thread_id=None if thread_id is None else AiConversationThreadID(thread_id),
            errors=[],
            client_mutation_id=named,
        )


def parsed_wish(asked: Asked, context: Context) -> Wish:
    """What is asked for, and by whom.

    Raises:
        OneActionError: it is no action, or several.
        InvalidFieldsError: a name that a client gave is too long.
    """
    action, given = chosen_action(asked)
    kind = asked.conversation_type or None
    return Wish(
        action=action,
        user_id=context.caller.user.id,
        credential_id=context.caller.credential.id,
        client_ip=context.client_ip,
        inputs=own_inputs(given),
        resource=given.resource_id or None,
        project_id=asked.project_id or None,
        root_namespace_id=asked.root_namespace_id or _named_group(given),
        thread_id=asked.thread_id or None,
        conversation_type=None if kind is None else kind.value,
        client_subscription_id=checked_name("clientSubscriptionId", asked.client_subscription_id),
        platform_origin=checked_name("platformOrigin", asked.platform_origin),
    )


def _accepted(asked: Context, wish: Wish) -> Accepted:
    catalog = load_catalog()
    try:
        return asked.write(lambda session: ask(session, wish, catalog=catalog, now=asked.now))
    except ThreadNotFoundError as cause:
        # An argument that is wrong, as in the real system.
        raise InvalidFieldsError({"threadId": "is no conversation of yours"}) from cause
    except InvalidFieldsError as cause:
        named = {to_camel_case(name): reason for name, reason in cause.fields.items()}
        raise InvalidFieldsError(named) from cause


def _with_html(question: Message | None) -> Message | None:
    # Here, in a worker thread: on the event loop a long question would hold up everybody.
    if question is None or question.content is None:
        return question
    return replace(question, content_html=safe_html(question.content))


def _named_group(given: Any) -> int | None:
    return getattr(given, "namespace_id", None) or None
