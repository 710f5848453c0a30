"""Answers GraphQL as JSON over POST, one operation at a time; subscriptions as events."""

from http import HTTPStatus
from typing import Any

from litestar import MediaType, Request, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import JSONBody
from litestar.response import Response

from appliance.accounts.rules import Access, Caller
from appliance.graphql.rest import sse
from appliance.graphql.rest.executing import Answering, Operation
from appliance.graphql.rest.sockets import Sockets

PATH = "/api/graphql"


@post(PATH, opt={"access": Access.SELF}, status_code=200)
async def answer_operation(
    *,
    request: Request[Any, Any, Any],
    data: JSONBody[Operation],
    caller: NamedDependency[Caller],
    answering: NamedDependency[Answering],
    sockets: NamedDependency[Sockets],
) -> Response[Any]:
    """Answers one operation; each of its fields states whom it is open to."""
    if request.content_type[0] != MediaType.JSON:
        # What a page of another site can send without being asked is of other kinds.
        raise HTTPException(status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    context = answering.context(caller, request.scope)
    if sse.MEDIA_TYPE in request.headers.get("accept", "").lower():
        return sse.stream(data, context, answering=answering, sockets=sockets)
    return Response(await answering.answer(data, context), media_type=MediaType.JSON)
