"""Minting over REST."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from litestar import Request, post
from litestar.di import NamedDependency, Provide
from litestar.response import Response
from pydantic import BaseModel, ConfigDict, StrictInt, ValidationError

from appliance.access_tokens import rules, usecases
from appliance.access_tokens.usecases import Minter
from appliance.accounts.rules import Access, Caller, User
from appliance.errors import InvalidFieldsError
from appliance.namespaces.rules import Namespace
from appliance.storage.engine import Db, Session

Clock = Callable[[], datetime]
# The group of a project that the user may see; projects lie above this room.
ProjectNamespace = Callable[[Session, User, int, datetime], int]
FindNamespace = Callable[[Session], Namespace | None]


class TokenBody(BaseModel):
    """A wish for a token of one group, or of a project's group; none: the default one."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    namespace_id: StrictInt | None = None
    project_id: StrictInt | None = None

    def check(self) -> None:
        """Passes when it names exactly one.

        Raises:
            InvalidFieldsError: it names both, or none.
        """
        if (self.namespace_id is None) == (self.project_id is None):
            sentence = "name exactly one of namespace_id and project_id"
            raise InvalidFieldsError({"namespace_id": sentence})


async def _read_wish(request: Request[Any, Any, Any]) -> TokenBody | None:
    # Clients post no body at all, often with a content type, which Litestar's own reading refuses.
    body = await request.body()
    if not body.strip():
        return None
    try:
        wish = TokenBody.model_validate_json(body)
    except ValidationError as cause:
        fields = {".".join(map(str, each["loc"])) or "body": each["msg"] for each in cause.errors()}
        raise InvalidFieldsError(fields) from None
    wish.check()
    return wish


async def provide_find_namespace(
    *,
    request: Request[Any, Any, Any],
    caller: NamedDependency[Caller],
    project_namespace: NamedDependency[ProjectNamespace],
    clock: NamedDependency[Clock],
) -> FindNamespace:
    """Finds the group that a token is asked for, in the transaction that mints it."""
    wish = await _read_wish(request)

    def find(session: Session) -> Namespace | None:
        now = clock()
        namespace_id = wish.namespace_id if wish else None
        if wish is not None and wish.project_id is not None:
            namespace_id = project_namespace(session, caller.user, wish.project_id, now)
        return usecases.namespace_of_token(session, caller.user, namespace_id, now=now)

    return find


@post(
    "/api/v4/ai/access_tokens",
    opt={"access": Access.AI},
    dependencies={"find_namespace": Provide(provide_find_namespace)},
)
async def mint_access_token(
    *,
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    minter: NamedDependency[Minter],
    find_namespace: NamedDependency[FindNamespace],
    clock: NamedDependency[Clock],
) -> Response[dict[str, Any]]:
    """A token with which the caller can call the gateway at `base_url`."""
    token = await db.read(
        lambda session: minter.mint(
            session,
            caller,
            rules.Purpose(jti=uuid4()),
            namespace=find_namespace(session),
            now=clock(),
        )
    )
    return Response(
        {
            "token": token.text,
            "expires_at": int(token.expires_at.timestamp()),
            "base_url": token.base_url,
            "headers": token.headers,
        },
        headers={"cache-control": "no-store"},
    )


handlers = (mint_access_token,)
