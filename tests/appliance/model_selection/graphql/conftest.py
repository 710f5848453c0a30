"""A running instance with models and groups, and people who ask it in GraphQL."""

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event

from appliance.accounts.usecases import get_user, get_user_named
from appliance.namespaces.rules import AccessLevel, Namespace
from appliance.storage.sealing import Sealer
from gateway.contract.catalog import load_catalog
from tests.appliance.model_selection.conftest import CHAT, CODE, Lab
from tests.appliance.namespaces.builders import add_member
from tests.graphql_asker import Asker

SONNET = "claude_sonnet_3_7_20250219"
OLDER = "claude_3_5_sonnet_20240620"
LOCAL = "smollm2-135m-instruct"
GENERATION = "code_generations"


@dataclass
class House:
    """An instance in which nobody chose yet: the gateway brings two models, three are our own."""

    asker: Asker
    lab: Lab

    def __post_init__(self) -> None:
        self.lab.reset(*self.lab.catalog.features)
        self.lab.offer(SONNET, CHAT, CODE, GENERATION, default_for=[CHAT, CODE, GENERATION])
        self.lab.offer(OLDER, CHAT, CODE)
        self.lab.model("a")
        self.lab.model("gemma", family="codegemma")

    async def person(self, name: str, *roles: tuple[Namespace, AccessLevel]) -> str:
        """A new user's personal access token; the roles are theirs."""
        number, pat = await self.asker.server.new_user(name)
        user = self.lab.do(get_user, number)
        for group, level in roles:
            add_member(self.lab.db, self.lab.admin, group, user=user, level=level)
        return pat

    async def owner(self, group: Namespace) -> str:
        """The token of a new owner."""
        return await self.person(f"owner-{group.path}", (group, AccessLevel.OWNER))

    async def do(self, query: str, *, pat: str | None = None, **wish: Any) -> Any:
        """What came of the one mutation of a query, with `wish` as its input."""
        (done,) = (await self.asker.data(query, pat=pat, input=wish)).values()
        return done

    async def refusals(self, query: str, *, pat: str | None = None, **wish: Any) -> list[str]:
        """The sentences with which the one mutation of a query is refused."""
        done = await self.do(query, pat=pat, **wish)
        listed = [each for each in done.values() if isinstance(each, list) and each]
        assert listed == [done["errors"]], done
        refused: list[str] = done["errors"]
        return refused

    async def statements(self, query: str, **asked: Any) -> int:
        """How many statements of the database a query takes."""
        # The first use of a token is noted.
        await self.asker.data("{ currentUser { id } }")
        # What is done by the clock may fall into one of them.
        return min([await self._statements(query, **asked) for _ in range(3)])

    async def _statements(self, query: str, **asked: Any) -> int:
        found: list[tuple[object, str]] = []

        def note(*arguments: Any) -> None:
            found.append((arguments[0], arguments[2]))

        engine = self.asker.server.db.engine
        event.listen(engine, "before_cursor_execute", note)
        await self.asker.data(query, **asked)
        event.remove(engine, "before_cursor_execute", note)
        # The workers look for requests meanwhile, on connections of their own.
        theirs = [connection for connection, text in found if "ai_requests" in text]
        return sum(connection not in theirs for connection, _ in found)


@pytest.fixture
def house(asker: Asker) -> House:
    db, settings = asker.server.db, asker.server.filled.settings()
    sealer = Sealer.from_file(settings.master_key_path)
    admin = db.read_blocking(lambda session: get_user_named(session, "admin"))
    return House(asker, Lab(db, admin, sealer, load_catalog()))
