"""The registrations over REST; an API key goes in and never comes out."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

import anyio.to_thread
from litestar import Request, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from appliance.accounts.rules import Access, Caller
from appliance.self_hosted_models import usecases
from appliance.self_hosted_models.rules import (
    MOST_IN_FLIGHT,
    NO_LIMIT,
    Description,
    SelfHostedModel,
    with_checked_endpoints,
)
from appliance.self_hosted_models.usecases import ModelNames
from appliance.storage.engine import Db
from appliance.storage.paging import DEFAULT_PER_PAGE, Page
from appliance.storage.sealing import Sealer

Clock = Callable[[], datetime]
# Gives back an endpoint that may be saved; blocks while its host is resolved.
CheckEndpoint = Callable[[str], str]
PATH = "/api/v4/ai/self_hosted_models"


class ModelBody(BaseModel):
    """A model as a client describes it; what is left out stays as it is.

    `endpoints` are all of them, the first is the main one, which `endpoint` is alone.
    `max_in_flight` null is no limit. `allowed_cidrs` are the networks of the clients that may use
    it, an empty list is everybody; one that is not `enabled` is served to nobody.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    ref: StrictStr | None = None
    name: StrictStr | None = None
    family: StrictStr | None = None
    endpoint: StrictStr | None = None
    endpoints: list[StrictStr] | None = None
    identifier: StrictStr | None = None
    provider: StrictStr | None = None
    api_key: StrictStr | None = None
    # Litestar validates leniently, where even a StrictBool takes "yes".
    enabled: Literal[True, False] | None = None
    allowed_cidrs: list[StrictStr] | None = None
    max_in_flight: Annotated[StrictInt, Field(ge=1, le=MOST_IN_FLIGHT)] | None = None

    def description(self) -> Description:
        """The same in the product's words; null removes an API key or a limit."""
        removes_key = "api_key" in self.model_fields_set and self.api_key is None
        removes_limit = "max_in_flight" in self.model_fields_set and self.max_in_flight is None
        fields = self.model_dump(exclude={"api_key", "enabled", "allowed_cidrs", "max_in_flight"})
        return Description(
            **fields,
            max_in_flight=NO_LIMIT if removes_limit else self.max_in_flight,
            api_key="" if removes_key else self.api_key,
            is_enabled=self.enabled,
            allowed_networks=self.allowed_cidrs,
        )


async def _checked(description: Description, check_endpoint: CheckEndpoint) -> Description:
    # Resolving may take seconds, so it is done before a transaction and outside the event loop.
    return await anyio.to_thread.run_sync(with_checked_endpoints, description, check_endpoint)


@get(PATH, opt={"access": Access.ADMIN})
async def list_models(
    *,
    request: Request[Any, Any, Any],
    db: NamedDependency[Db],
    public_url: NamedDependency[str],
    page: FromQuery[int] = 1,
    per_page: FromQuery[int] = DEFAULT_PER_PAGE,
) -> Response[list[dict[str, Any]]]:
    """The models, oldest first."""
    asked = Page.asked(page, per_page)
    found = await db.read(lambda session: usecases.list_models(session, asked))
    return Response(
        [_show(model) for model in found.items],
        headers=found.headers(f"{public_url}{request.url.path}"),
    )


@post(PATH, opt={"access": Access.ADMIN})
async def create_model(  # noqa: PLR0913  # Litestar passes each by name
    *,
    data: JSONBody[ModelBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    sealer: NamedDependency[Sealer],
    check_endpoint: NamedDependency[CheckEndpoint],
    model_names: NamedDependency[ModelNames],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Registers a model."""
    description = await _checked(data.description(), check_endpoint)
    model = await db.write(
        lambda session: usecases.create_model(
            session,
            description,
            sealer=sealer,
            names=model_names,
            actor=caller.actor,
            now=clock(),
        )
    )
    return _show(model)


@get(f"{PATH}/{{model_id:int}}", opt={"access": Access.ADMIN})
async def get_model(*, model_id: FromPath[int], db: NamedDependency[Db]) -> dict[str, Any]:
    """One model."""
    return _show(await db.read(lambda session: usecases.get_model(session, model_id)))


@put(f"{PATH}/{{model_id:int}}", opt={"access": Access.ADMIN})
async def change_model(  # noqa: PLR0913  # Litestar passes each by name
    *,
    model_id: FromPath[int],
    data: JSONBody[ModelBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    sealer: NamedDependency[Sealer],
    check_endpoint: NamedDependency[CheckEndpoint],
    model_names: NamedDependency[ModelNames],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Changes what the body names."""
    description = await _checked(data.description(), check_endpoint)
    model = await db.write(
        lambda session: usecases.change_model(
            session,
            model_id,
            description,
            sealer=sealer,
            names=model_names,
            actor=caller.actor,
            now=clock(),
        )
    )
    return _show(model)


@delete(f"{PATH}/{{model_id:int}}", opt={"access": Access.ADMIN})
async def delete_model(
    *,
    model_id: FromPath[int],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    model_names: NamedDependency[ModelNames],
    clock: NamedDependency[Clock],
    reroute: FromQuery[bool] = False,
) -> None:
    """Removes a model that nothing names; with `reroute`, what does falls back to the default."""
    await db.write(
        lambda session: usecases.delete_model(
            session,
            model_id,
            reroute=reroute,
            names=model_names,
            actor=caller.actor,
            now=clock(),
        )
    )


def _show(model: SelfHostedModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "ref": model.ref,
        "name": model.name,
        "family": model.family,
        "endpoint": model.endpoint,
        "endpoints": list(model.endpoints),
        "identifier": model.identifier,
        "provider": model.provider,
        "has_api_key": model.has_api_key,
        "local": model.is_local,
        "enabled": model.is_enabled,
        "allowed_cidrs": list(model.allowed_networks),
        "max_in_flight": model.max_in_flight,
        "created_at": model.created_at.isoformat(),
        "updated_at": model.updated_at.isoformat(),
    }


handlers = (list_models, create_model, get_model, change_model, delete_model)
