"""What Litestar refuses, outside the surfaces of models, in GitLab's form."""

from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from gateway.contract.codes import Code

_CODES = {
    400: Code.INVALID_REQUEST,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.REQUEST_TOO_LARGE,
}


def detail(_: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, str]]:
    """The answer to a request that no handler takes."""
    code = _CODES.get(error.status_code, Code.INTERNAL_ERROR)
    return Response({"detail": error.detail, "code": code}, status_code=error.status_code)
