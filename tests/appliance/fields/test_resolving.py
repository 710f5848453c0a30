from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import anyio.to_thread
import pytest
import strawberry
from sqlmodel import select

from appliance.accounts.rules import Access, Scope
from appliance.fields.resolving import (
    ActionTools,
    Context,
    Info,
    ModelTools,
    SettingsDesk,
    field,
    mutation,
    subscription,
)
from appliance.storage.engine import Db, Session
from appliance.storage.outbox import OutboxRow, publish
from tests.instance_builders import NOW, a_caller


@strawberry.type
class Query:
    @field(description="For readers", access=Access.API)
    def text(self) -> str:
        return "read"


@strawberry.type
class Mutation:
    @mutation(description="For writers", access=Access.API)
    def change(self, info: Info) -> int:
        info.context.write(lambda session: publish(session, "t", {}, now=NOW))
        return info.context.read(lambda session: len(session.exec(select(OutboxRow)).all()))


@strawberry.type
class Subscription:
    @subscription(description="For readers", access=Access.AI)
    def heard(self) -> AsyncGenerator[int, None]:
        async def counted() -> AsyncGenerator[int, None]:
            yield 1

        return counted()


SCHEMA = strawberry.Schema(query=Query, mutation=Mutation, subscription=Subscription)


def a_context(db: Db, *scopes: Scope, session: Session | None = None) -> Context:
    return Context(
        caller=a_caller(*scopes),
        now=NOW,
        version="1",
        read_state=lambda *_: None,
        desk=cast("SettingsDesk", None),
        models=cast("ModelTools", None),
        actions=cast("ActionTools", None),
        client_ip="127.0.0.1",
        db=db,
        session=session,
    )


async def run(query: str, context: Context) -> Any:
    return await anyio.to_thread.run_sync(lambda: SCHEMA.execute_sync(query, context_value=context))


async def test_a_field_is_open_to_whom_it_states(db: Db) -> None:
    good = await run("{ text }", a_context(db, Scope.READ_API))
    assert good.data == {"text": "read"}
    bad = await run("{ text }", a_context(db, Scope.AI_FEATURES))
    assert "higher privileges" in str(bad.errors[0])


async def test_a_mutation_is_no_reading(db: Db) -> None:
    bad = await run("mutation { change }", a_context(db, Scope.READ_API))
    assert "higher privileges" in str(bad.errors[0])


@pytest.mark.parametrize("scope", Scope)
async def test_a_subscription_is_a_reading(db: Db, scope: Scope) -> None:
    found = await SCHEMA.subscribe("subscription { heard }", context_value=a_context(db, scope))
    assert isinstance(found, AsyncGenerator)
    async with aclosing(found):
        assert [each.data async for each in found] == [{"heard": 1}]


async def test_a_mutation_reads_what_it_has_written(db: Db) -> None:
    good = await run("mutation { change }", a_context(db, Scope.API))
    assert (good.errors, good.data) == (None, {"change": 1})


def test_a_query_reads_in_its_one_session(db: Db) -> None:
    def read(session: Session) -> bool:
        context = a_context(db, Scope.API, session=session)
        return context.read(lambda own: own is session)

    assert db.read_blocking(read)


@pytest.mark.parametrize("access", [Access.API, None])
def test_a_field_keeps_what_it_says_of_itself(access: Access | None) -> None:
    @strawberry.type
    class Told:
        @field(description="What it is", access=access)
        def text(self) -> str:
            return ""

    assert '"""What it is"""' in str(strawberry.Schema(query=Told))
