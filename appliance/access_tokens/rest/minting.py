"""Minting over REST."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog
from litestar import Request, post
from litestar.di import NamedDependency, Provide
from litestar.response import Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

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


MAX_SCOPES = 100
LONGEST_S = int(rules.DIRECT_LIFETIME.total_seconds())

_log = structlog.get_logger()


class TokenBody(BaseModel):
    """A wish for a token of one group, or of a project's group; none: the default one.

    `scopes` and `expires_in`, in seconds, make it narrower than what the caller is granted, for
    who is to try one thing; they never make it wider.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    namespace_id: StrictInt | None = None
    project_id: StrictInt | None = None
    scopes: frozenset[StrictStr] | None = Field(default=None, min_length=1, max_length=MAX_SCOPES)
    expires_in: StrictInt | None = Field(default=None, ge=1, le=LONGEST_S)

    @property
    def is_narrower(self) -> bool:
        """Whether less is asked for than the caller has."""
        return self.scopes is not None or self.expires_in is not None

    def check(self) -> None:
        """Passes when it names one group at most, and anything at all.

        Raises:
            InvalidFieldsError: it names both, or nothing.
        """
        named = (self.namespace_id is not None) + (self.project_id is not None)
        if named > 1 or not (named or self.is_narrower):
            sentence = "name exactly one of namespace_id and project_id"
            raise InvalidFieldsError({"namespace_id": sentence})

    def purpose(self) -> rules.Purpose:
        """What the token is for."""
        lifetime = rules.DIRECT_LIFETIME
        if self.expires_in is not None:
            lifetime = timedelta(seconds=self.expires_in)
        return rules.Purpose(jti=uuid4(), scopes=self.scopes, lifetime=lifetime)


async def provide_wish(request: Request[Any, Any, Any]) -> TokenBody:
    """What is asked for; no body at all asks for everything that is granted."""
    # Clients post no body at all, often with a content type, which Litestar's own reading refuses.
    body = await request.body()
    if not body.strip():
        return TokenBody()
    try:
        wish = TokenBody.model_validate_json(body)
    except ValidationError as cause:
        fields = {".".join(map(str, each["loc"])) or "body": each["msg"] for each in cause.errors()}
        raise InvalidFieldsError(fields) from None
    wish.check()
    return wish


async def provide_find_namespace(
    *,
    wish: NamedDependency[TokenBody],
    caller: NamedDependency[Caller],
    project_namespace: NamedDependency[ProjectNamespace],
    clock: NamedDependency[Clock],
) -> FindNamespace:
    """Finds the group that a token is asked for, in the transaction that mints it."""

    def find(session: Session) -> Namespace | None:
        now = clock()
        namespace_id = wish.namespace_id
        if wish.project_id is not None:
            namespace_id = project_namespace(session, caller.user, wish.project_id, now)
        return usecases.namespace_of_token(session, caller.user, namespace_id, now=now)

    return find


@post(
    "/api/v4/ai/access_tokens",
    opt={"access": Access.AI},
    dependencies={
        "wish": Provide(provide_wish),
        "find_namespace": Provide(provide_find_namespace),
    },
)
async def mint_access_token(
    *,
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    minter: NamedDependency[Minter],
    wish: NamedDependency[TokenBody],
    find_namespace: NamedDependency[FindNamespace],
    clock: NamedDependency[Clock],
) -> Response[dict[str, Any]]:
    """A token with which the caller can call the gateway at `base_url`."""
    token = await db.read(
        lambda session: minter.mint(
            session,
            caller,
            wish.purpose(),
            namespace=find_namespace(session),
            now=clock(),
        )
    )
    if wish.is_narrower:
        _log.info(
            "narrow_access_token_minted",
            user_id=caller.user.id,
            scopes=sorted(token.claims.scopes),
            life_s=token.claims.exp - token.claims.iat,
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
