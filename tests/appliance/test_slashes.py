import pytest
from litestar import Litestar, get
from litestar.params import FromPath
from litestar.testing import AsyncTestClient

from appliance.accounts.rules import Access
from appliance.slashes import EscapedSlashes, named


@get("/things/{thing:str}/parts", opt={"access": Access.PUBLIC})
async def thing(thing: FromPath[str]) -> str:
    return named(thing)


@pytest.mark.parametrize(
    ("part", "is_named"),
    [("a%2Fb", "a/b"), ("a%2fb%2Fc", "a/b/c"), ("a%20b", "a b"), ("1", "1"), ("%C3%A4%2fb", "ä/b")],
)
async def test_an_escaped_slash_does_not_split_an_address(part: str, is_named: str) -> None:
    app = Litestar([thing], openapi_config=None, logging_config=None)
    app.asgi_handler = EscapedSlashes(app.asgi_handler)
    async with AsyncTestClient(app) as client:
        assert (await client.get(f"/things/{part}/parts?x=%2F")).text == is_named
        assert (await client.get("/things%2F1/parts")).status_code == 404
