"""What editors and agents ask, under GitLab's names; what else they send means nothing here."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.response import Response
from pydantic import BaseModel, ConfigDict, StrictStr

from appliance.access_tokens.rules import AccessToken
from appliance.access_tokens.usecases import Minter
from appliance.accounts.rules import Access, Caller
from appliance.code_suggestions import rules, usecases
from appliance.storage.engine import Db
from gateway.contract import headers

Clock = Callable[[], datetime]
PATH = "/api/v4/code_suggestions"
AGENTS_PATH = "/api/v4/ai/third_party_agents/direct_access"


class EnabledBody(BaseModel):
    """Which project is asked about."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    project_path: StrictStr


@post(f"{PATH}/direct_access", opt={"access": Access.AI})
async def give_editor_access(
    *,
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    minter: NamedDependency[Minter],
    clock: NamedDependency[Clock],
) -> Response[dict[str, Any]]:
    """A token with which an editor completes code at the gateway itself."""
    token = await db.read(
        lambda session: usecases.editor_token(session, caller, minter, jti=uuid4(), now=clock())
    )
    return _shown(token, {rules.PROMPT_CACHE: "true"})


@post(AGENTS_PATH, opt={"access": Access.AI})
async def give_agent_access(
    *,
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    minter: NamedDependency[Minter],
    clock: NamedDependency[Clock],
) -> Response[dict[str, Any]]:
    """A token with which an agent calls models at the gateway itself."""
    token = await db.read(
        lambda session: usecases.agent_token(session, caller, minter, jti=uuid4(), now=clock())
    )
    return _shown(token, {headers.UNIT_PRIMITIVE: rules.PROXY})


@post(f"{PATH}/connection_details", opt={"access": Access.AI})
async def show_connection(
    *,
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    minter: NamedDependency[Minter],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Who connects, for an editor that passes it on."""
    found = await db.read(
        lambda session: usecases.connection(
            session, caller, minter, version=headers.SPOKEN_VERSION, now=clock()
        )
    )
    return {
        "instance_id": found.instance_id,
        "instance_version": found.instance_version,
        "realm": found.realm,
        "global_user_id": found.global_user_id,
        "host_name": found.host_name,
        "feature_enablement_type": found.feature_enablement_type,
        "saas_duo_pro_namespace_ids": list(found.saas_duo_pro_namespace_ids),
    }


@post(f"{PATH}/enabled", opt={"access": Access.AI}, status_code=200)
async def check_enabled(
    *,
    data: JSONBody[EnabledBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Nothing but a status: whether code suggestions may be used in a project."""
    await db.read(
        lambda session: usecases.check_project(session, caller.user, data.project_path, now=clock())
    )
    return {}


def _shown(token: AccessToken, also: dict[str, str]) -> Response[dict[str, Any]]:
    body = {
        "base_url": token.base_url,
        "token": token.text,
        "expires_at": token.claims.exp,
        "headers": {**token.headers, **also},
    }
    return Response(body, headers={"cache-control": "no-store"})


handlers = (give_editor_access, give_agent_access, show_connection, check_enabled)
