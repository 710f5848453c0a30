"""Asks a running instance in GraphQL."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from httpx import Response

from appliance.audit.rules import SYSTEM
from appliance.licensing import usecases
from appliance.storage.engine import Session
from tests.instance_builders import NOW
from tests.licence_builders import SigningAuthority, a_line

if TYPE_CHECKING:
    from tests.appliance.conftest import Server

PATH = "/api/graphql"


def purchase_gid(number: int) -> str:
    return f"gid://gitlab/GitlabSubscriptions::AddOnPurchase/{number}"


def user_gid(number: int) -> str:
    return f"gid://gitlab/User/{number}"


@dataclass
class Asker:
    """Asks a server, which takes the licences of an authority of its own."""

    server: "Server"
    authority: SigningAuthority = field(default_factory=lambda: SigningAuthority(is_demo=True))

    def __post_init__(self) -> None:
        def pin(session: Session) -> None:
            key = self.authority.public
            usecases.pin_authority(session, key, is_demo=True, actor=SYSTEM, now=NOW)

        self.server.db.write_blocking(pin)

    async def post(self, query: str, *, pat: str | None = None, **variables: Any) -> Response:
        body = {"query": query, "variables": variables}
        return await self.server.ask("POST", PATH, pat=pat, json=body)

    async def answer(self, query: str, *, pat: str | None = None, **variables: Any) -> Any:
        """The whole answer, data and errors."""
        got = await self.post(query, pat=pat, **variables)
        assert got.status_code == 200, got.text
        return got.json()

    async def data(self, query: str, *, pat: str | None = None, **variables: Any) -> Any:
        """The data of an answer without errors."""
        got = await self.answer(query, pat=pat, **variables)
        assert "errors" not in got, got
        return got["data"]

    async def error(self, query: str, *, pat: str | None = None, **variables: Any) -> Any:
        """The one error of an answer."""
        got = await self.answer(query, pat=pat, **variables)
        assert len(got["errors"]) == 1, got
        return got["errors"][0]

    async def code(self, query: str, *, pat: str | None = None, **variables: Any) -> str | None:
        error = await self.error(query, pat=pat, **variables)
        return str(error["extensions"]["code"]) if "extensions" in error else None

    def buy(self, *lines: dict[str, Any]) -> None:
        """Adds a licence; by default for ten seats of Duo Enterprise."""
        text = self.authority.licence(
            *(lines or [a_line()]), instance_id=self.server.filled.instance_id
        )
        self.server.db.write_blocking(
            lambda session: usecases.add_licence(session, text, actor=SYSTEM, now=NOW)
        )

    def purchase(self, add_on: str = "duo_enterprise", *, of: int | None = None) -> int:
        """The number of a purchase."""
        found = self.server.db.read_blocking(
            lambda session: usecases.list_purchases(session, root_namespace_id=of)
        )
        return next(each.id for each in found if each.add_on == add_on)
