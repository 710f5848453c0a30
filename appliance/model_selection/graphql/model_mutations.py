"""What an admin can do with the models that the organisation runs itself."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from appliance.accounts.rules import Access
from appliance.errors import InvalidFieldsError
from appliance.fields.resolving import Context, Info, mutation
from appliance.model_selection.graphql.models import MASK, AiSelfHostedModel, shown_registration
from appliance.model_selection.graphql.names import AiAcceptedSelfHostedModels, SelfHostedModelID
from appliance.model_selection.graphql.shelf import Shelf
from appliance.model_selection.graphql.wishes import EXPECTED, attempted, is_said, sentences
from appliance.model_selection.rules.naming import fresh_ref
from appliance.model_selection.usecases import ModelNaming, read_pool
from appliance.self_hosted_models import usecases
from appliance.self_hosted_models.rules import (
    NO_LIMIT,
    Description,
    ProbeResult,
    SelfHostedModel,
    with_checked_endpoints,
)
from appliance.storage.engine import Session
from gateway.contract.catalog import load_catalog
from gateway.contract.probing import Finding

# What use cases call things, and what clients do.
_NAMES = {
    "api_key": "apiToken",
    "family": "model",
    "allowed_cidrs": "allowedCidrs",
    "max_in_flight": "maxInFlight",
}
_IDENTIFIER_NEEDED = (
    "is required: the name that the endpoint's own list of models has, with or without "
    "custom_openai/ in front"
)


@strawberry.input(description="A model to register, by default under a ref like its name")
class AiSelfHostedModelCreateInput:
    """A registration; one of `endpoint` and `endpoints` is needed."""

    name: str
    model: Enum = strawberry.field(
        graphql_type=AiAcceptedSelfHostedModels, description="Its family"
    )
    endpoint: str | None = strawberry.UNSET
    api_token: str | None = strawberry.UNSET
    identifier: str | None = strawberry.UNSET
    ref: str | None = strawberry.UNSET
    provider: str | None = strawberry.UNSET
    endpoints: list[str] | None = strawberry.UNSET
    allowed_cidrs: list[str] | None = strawberry.UNSET
    max_in_flight: int | None = strawberry.UNSET
    enabled: bool | None = strawberry.UNSET
    client_mutation_id: str | None = strawberry.UNSET


@strawberry.input(description="What to change of a model; what is left out stays as it is")
class AiSelfHostedModelUpdateInput:
    """A change; an empty `api_token` removes the API key, null for `max_in_flight` the limit."""

    id: SelfHostedModelID
    name: str | None = strawberry.UNSET
    model: Enum | None = strawberry.field(
        default=strawberry.UNSET,
        graphql_type=AiAcceptedSelfHostedModels | None,
        description="Its family",
    )
    endpoint: str | None = strawberry.UNSET
    api_token: str | None = strawberry.UNSET
    identifier: str | None = strawberry.UNSET
    ref: str | None = strawberry.UNSET
    provider: str | None = strawberry.UNSET
    endpoints: list[str] | None = strawberry.UNSET
    allowed_cidrs: list[str] | None = strawberry.UNSET
    max_in_flight: int | None = strawberry.UNSET
    enabled: bool | None = strawberry.UNSET
    client_mutation_id: str | None = strawberry.UNSET


@strawberry.input(description="A model that is no longer wanted")
class AiSelfHostedModelDeleteInput:
    """With `reroute`, what uses the model falls back to the default; without, it must be unused."""

    id: SelfHostedModelID
    reroute: bool | None = strawberry.UNSET
    client_mutation_id: str | None = strawberry.UNSET


@strawberry.input(description="A model to try; with `id` what is left out is as registered")
class AiSelfHostedModelConnectionCheckInput:
    """What to try; nothing of it is saved."""

    id: SelfHostedModelID | None = strawberry.UNSET
    name: str | None = strawberry.UNSET
    model: Enum | None = strawberry.field(
        default=strawberry.UNSET, graphql_type=AiAcceptedSelfHostedModels | None
    )
    endpoint: str | None = strawberry.UNSET
    api_token: str | None = strawberry.UNSET
    identifier: str | None = strawberry.UNSET
    client_mutation_id: str | None = strawberry.UNSET


@strawberry.type(description="What came of it: `errors` is empty when the model is registered")
class AiSelfHostedModelCreatePayload:
    """The model as it is now; None if nothing was changed."""

    self_hosted_model: AiSelfHostedModel | None
    errors: list[str]
    client_mutation_id: str | None


@strawberry.type(description="What came of it: `errors` is empty when the model is as wished")
class AiSelfHostedModelUpdatePayload(AiSelfHostedModelCreatePayload):
    """The model as it is now; None if nothing was changed."""


@strawberry.type(description="What came of it: `errors` is empty when the model is gone")
class AiSelfHostedModelDeletePayload:
    """Whether it is gone."""

    errors: list[str]
    client_mutation_id: str | None


@strawberry.type(description="What came of trying something")
class CloudConnectorProbeResult:
    """What came of it; `details` has a stable `code`, the `fix`, and the fields it `proposes`."""

    name: str
    success: bool
    message: str | None
    details: JSON | None
    errors: list[str]


@strawberry.type(description="What came of trying a model: `errors` says why it was not tried")
class AiSelfHostedModelConnectionCheckPayload:
    """What the steps came to together, and one by one; the first that fails is the last."""

    result: CloudConnectorProbeResult | None
    probes: list[CloudConnectorProbeResult]
    errors: list[str]
    client_mutation_id: str | None


@strawberry.type
class SelfHostedModelsMutation:
    """What an admin can do with the models that the organisation runs itself."""

    @mutation(description="Registers a model", access=Access.ADMIN)
    def ai_self_hosted_model_create(
        self,
        info: Info,
        wish: Annotated[AiSelfHostedModelCreateInput, strawberry.argument(name="input")],
    ) -> AiSelfHostedModelCreatePayload | None:
        """Without a ref one is made of the name."""
        return AiSelfHostedModelCreatePayload(
            **_saved(info.context, lambda: _description(wish, is_new=True), _create),
            client_mutation_id=wish.client_mutation_id or None,
        )

    @mutation(description="Changes a model", access=Access.ADMIN)
    def ai_self_hosted_model_update(
        self,
        info: Info,
        wish: Annotated[AiSelfHostedModelUpdateInput, strawberry.argument(name="input")],
    ) -> AiSelfHostedModelUpdatePayload | None:
        """What chose it follows it to a new ref."""

        def change(session: Session, asked: Context, description: Description) -> SelfHostedModel:
            return usecases.change_model(session, wish.id, description, **_how(asked))

        return AiSelfHostedModelUpdatePayload(
            **_saved(info.context, lambda: _description(wish, is_new=False), change),
            client_mutation_id=wish.client_mutation_id or None,
        )

    @mutation(description="Removes a model that nothing uses", access=Access.ADMIN)
    def ai_self_hosted_model_delete(
        self,
        info: Info,
        wish: Annotated[AiSelfHostedModelDeleteInput, strawberry.argument(name="input")],
    ) -> AiSelfHostedModelDeletePayload | None:
        """Or one that is used, with `reroute`."""
        asked = info.context

        def delete(session: Session) -> None:
            usecases.delete_model(
                session,
                wish.id,
                reroute=wish.reroute is True,
                names=ModelNaming(load_catalog()),
                actor=asked.caller.actor,
                now=asked.now,
            )

        _, errors = attempted(asked, delete, names=_NAMES)
        return AiSelfHostedModelDeletePayload(
            errors=errors, client_mutation_id=wish.client_mutation_id or None
        )

    @mutation(
        description="Has a gateway try whether a model answers at an endpoint",
        access=Access.ADMIN,
    )
    def ai_self_hosted_model_connection_check(
        self,
        info: Info,
        wish: Annotated[AiSelfHostedModelConnectionCheckInput, strawberry.argument(name="input")],
    ) -> AiSelfHostedModelConnectionCheckPayload | None:
        """Takes up to a minute; saves nothing."""
        asked, number = info.context, wish.id or None
        found: ProbeResult | None = None
        errors: list[str] = []
        try:
            description = _description(wish, is_new=number is None)
            found = asked.wait_for(lambda: asked.models.check_model(description, number))
        except EXPECTED as refusal:
            errors = sentences(refusal, names=_NAMES)
        return AiSelfHostedModelConnectionCheckPayload(
            result=None if found is None else _shown(found),
            probes=[] if found is None else [_shown_step(each) for each in found.probes],
            errors=errors,
            client_mutation_id=wish.client_mutation_id or None,
        )


Change = Callable[[Session, Context, Description], SelfHostedModel]


def _saved(asked: Context, describe: Callable[[], Description], change: Change) -> dict[str, Any]:
    try:
        # Looks up hosts, which may take seconds: before the transaction.
        description = with_checked_endpoints(describe(), asked.models.check_endpoint)
    except EXPECTED as refusal:
        return {"self_hosted_model": None, "errors": sentences(refusal, names=_NAMES)}
    saved, errors = attempted(
        asked, lambda session: change(session, asked, description), names=_NAMES
    )
    shown = None if saved is None else shown_registration(saved, Shelf(asked))
    return {"self_hosted_model": shown, "errors": errors}


def _create(session: Session, asked: Context, description: Description) -> SelfHostedModel:
    if description.ref is None and description.name is not None:
        taken = read_pool(session, load_catalog()).models
        description = replace(description, ref=fresh_ref(description.name, taken))
    return usecases.create_model(session, description, **_how(asked))


def _how(asked: Context) -> dict[str, Any]:
    return {
        "sealer": asked.models.sealer,
        "names": ModelNaming(load_catalog()),
        "actor": asked.caller.actor,
        "now": asked.now,
    }


Wish = (
    AiSelfHostedModelCreateInput
    | AiSelfHostedModelUpdateInput
    | AiSelfHostedModelConnectionCheckInput
)


def _description(wish: Wish, *, is_new: bool) -> Description:
    """What a client says, in the product's words.

    Raises:
        InvalidFieldsError: no identifier, or no API key but the mask of one.
    """
    problems = {}
    if is_new and not is_said(wish.identifier):
        problems["identifier"] = _IDENTIFIER_NEEDED
    if is_new and wish.api_token == MASK:
        problems["apiToken"] = "is only the mask of a stored API key; give the key itself"
    if problems:
        raise InvalidFieldsError(problems)
    max_in_flight = _said(wish, "max_in_flight")
    if getattr(wish, "max_in_flight", strawberry.UNSET) is None:
        max_in_flight = NO_LIMIT
    return Description(
        ref=_said(wish, "ref"),
        name=_said(wish, "name"),
        family=wish.model.value if wish.model else None,
        endpoint=_said(wish, "endpoint"),
        endpoints=_said(wish, "endpoints"),
        identifier=_said(wish, "identifier"),
        provider=_said(wish, "provider"),
        api_key=None if wish.api_token == MASK else _said(wish, "api_token"),
        is_enabled=_said(wish, "enabled"),
        allowed_networks=_said(wish, "allowed_cidrs"),
        max_in_flight=max_in_flight,
    )


def _said(wish: Wish, name: str) -> Any:
    value = getattr(wish, name, None)
    return value if is_said(value) else None


def _shown(found: ProbeResult) -> CloudConnectorProbeResult:
    return CloudConnectorProbeResult(
        name="self_hosted_model",
        success=found.success,
        message=found.message,
        details=_json(found.details),
        errors=list(found.errors),
    )


def _shown_step(step: Finding) -> CloudConnectorProbeResult:
    details = {"code": step.code, "fix": step.fix, "proposes": step.proposes}
    return CloudConnectorProbeResult(
        name=step.name,
        success=step.success,
        message=step.message,
        details=_json(details),
        errors=[] if step.success else [each for each in (step.message, step.fix) if each],
    )


def _json(details: Mapping[str, object]) -> JSON:
    return JSON(dict(details))
