"""Tries a model before it is relied on, saved or not; what was tried is not remembered."""

import asyncio
from typing import Any

from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from appliance.accounts.rules import Access
from appliance.self_hosted_models.rest.registration import PATH, ModelBody
from appliance.self_hosted_models.rules import Description, check_description
from appliance.self_hosted_models.rules.probing import (
    ProbeModel,
    ProbeResult,
    StoredModel,
    result_of,
    to_try,
)
from appliance.self_hosted_models.usecases import stored_model
from appliance.storage.engine import Db
from appliance.storage.sealing import Sealer
from gateway.contract.catalog import Catalog
from gateway.contract.probing import Finding


class ModelChecks:
    """Has `probe` try models, whichever way an admin asks for it."""

    def __init__(self, db: Db, sealer: Sealer, *, catalog: Catalog, probe: ProbeModel) -> None:
        self._db = db
        self._sealer = sealer
        self._catalog = catalog
        self._probe = probe

    async def __call__(self, description: Description, model_id: int | None = None) -> ProbeResult:
        """Tries what is described, at every endpoint at the same time.

        With an id, what is stored of that model stands where nothing is said.

        Raises:
            NotFoundError: no such model.
            InvalidFieldsError: something cannot be tried, or the API key is needed again.
        """
        check_description(description, self._catalog)
        wishes = to_try(description, await self._stored(model_id))
        found = await asyncio.gather(*(self._probe(wish) for wish in wishes))
        return result_of({wish.endpoint: each for wish, each in zip(wishes, found, strict=True)})

    async def _stored(self, model_id: int | None) -> StoredModel | None:
        if model_id is None:
            return None
        sealer = self._sealer
        return await self._db.read(lambda session: stored_model(session, model_id, sealer=sealer))


@post(f"{PATH}/check", status_code=200, opt={"access": Access.ADMIN})
async def check_unsaved(
    *, data: JSONBody[ModelBody], check_model: NamedDependency[ModelChecks]
) -> dict[str, Any]:
    """Tries a model that is not registered; the body is as for registering it."""
    return _show(await check_model(data.description()))


@post(f"{PATH}/{{model_id:int}}/check", status_code=200, opt={"access": Access.ADMIN})
async def check_saved(
    *,
    model_id: FromPath[int],
    data: JSONBody[ModelBody],
    check_model: NamedDependency[ModelChecks],
) -> dict[str, Any]:
    """Tries a registered model, with what the body says in place of what is stored."""
    return _show(await check_model(data.description(), model_id))


def _show(result: ProbeResult) -> dict[str, Any]:
    return {
        "success": result.success,
        "message": result.message,
        "details": dict(result.details),
        "errors": list(result.errors),
        "probes": [_show_finding(each) for each in result.probes],
    }


def _show_finding(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "success": finding.success,
        "code": finding.code,
        "message": finding.message,
        "fix": finding.fix,
        "proposes": finding.proposes,
    }


handlers = (check_unsaved, check_saved)
