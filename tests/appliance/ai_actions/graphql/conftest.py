"""An instance with a project, people who ask it for actions, and nobody who runs them."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import pytest

from appliance.accounts.rules import Caller, User
from appliance.accounts.usecases import authenticate, get_user_named
from appliance.ai_actions.rules import Answer, Message, Request
from appliance.ai_actions.usecases import Deliveries, claim, end, final_message, note_answer
from appliance.app import create_app
from appliance.fields.resolving import ActionTools, Context, ModelTools, SettingsDesk
from appliance.graphql.rest.executing import Answering, Event, Operation
from appliance.graphql.schema import Schema, build_schema
from appliance.namespaces.rules import Namespace
from appliance.resources.rules import Description, Issue, IssueChange, MergeRequestChange, Project
from appliance.resources.usecases import (
    create_issue,
    create_merge_request,
    create_project,
    named_place,
)
from appliance.storage.engine import Db
from tests.appliance.conftest import FilledHome, Server, remember_signatures
from tests.appliance.namespaces.builders import add_group, add_member
from tests.graphql_asker import Asker
from tests.instance_builders import NOW, SetClock
from tests.licence_builders import a_line

ADDRESS = "10.0.0.7"


@dataclass
class Hall:
    """Asks in GraphQL as if over a connection; what would be run is noted in `started`."""

    asker: Asker
    schema: Schema
    deliveries: Deliveries = field(default_factory=Deliveries)
    started: list[tuple[Request, Message | None]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    tools: ActionTools | None = None

    @property
    def db(self) -> Db:
        return self.asker.server.db

    @property
    def answering(self) -> Answering:
        return Answering(self.schema, lambda caller, _: self.context(caller))

    def context(self, caller: Caller) -> Context:
        async def start(request: Request, question: Message | None) -> None:
            self.started.append((request, question))

        async def cancel(uid: str) -> None:
            self.cancelled.append(uid)

        noting = ActionTools(deliveries=self.deliveries, start=start, cancel=cancel)
        return Context(
            caller=caller,
            now=self.asker.server.clock(),
            version="1",
            read_state=lambda *_: None,
            desk=cast("SettingsDesk", None),
            models=cast("ModelTools", None),
            actions=self.tools or noting,
            client_ip=ADDRESS,
            db=self.db,
            session=None,
        )

    async def person(self, name: str, *scopes: str, has_seat: bool = True) -> Caller:
        """A new user, with a seat unless it is said otherwise."""
        number, pat = await self.asker.server.new_user(name, *scopes)
        if has_seat:
            path = f"/api/v4/ai/add_on_purchases/{self.asker.purchase()}/seats"
            given = await self.asker.server.ask("POST", path, json={"user_ids": [number]})
            assert given.status_code < 300, given.text
        return self.db.read_blocking(lambda session: authenticate(session, pat, now=NOW))

    async def answer(self, caller: Caller, query: str, **variables: Any) -> Any:
        """The whole answer, data and errors."""
        operation = Operation(query=query, variables=variables)
        return await self.answering.answer(operation, self.context(caller))

    async def data(self, caller: Caller, query: str, **variables: Any) -> Any:
        """What the one field of the answer holds."""
        got = await self.answer(caller, query, **variables)
        assert "errors" not in got, got
        (value,) = got["data"].values()
        return value

    async def error(self, caller: Caller, query: str, **variables: Any) -> Any:
        """The one error of an answer."""
        got = await self.answer(caller, query, **variables)
        assert len(got["errors"]) == 1, got
        return got["errors"][0]

    @asynccontextmanager
    async def listening(
        self, caller: Caller, query: str, **variables: Any
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """The events of a subscription, for as long as the block lasts."""
        operation = Operation(query=query, variables=variables)
        events = self.answering.events(operation, self.context(caller))
        async with aclosing(events):
            yield events

    def finish(self, request: Request, content: str, **answer: Any) -> Message:
        """Ends a request as a worker would, and says what it delivers."""
        said = Answer(content=content, **answer)

        def work(session: Any) -> Message:
            claimed = claim(session, "w", most_of_a_user=9, now=NOW, uid=request.uid)
            assert claimed is not None
            ended = end(session, claimed, said, worker="w", now=NOW)
            assert ended is not None
            message = final_message(ended, content_html=None)
            if request.thread_id is not None:
                note_answer(session, request, said, uid=message.uid, now=NOW)
            return message

        return self.db.write_blocking(work)

    def group(self, path: str, *members: Caller) -> Namespace:
        """A private group."""
        admin = self.admin
        made = add_group(self.db, admin, path)
        for each in members:
            add_member(self.db, admin, made, user=each.user)
        return made

    def project(self, group: Namespace, name: str = "test") -> Project:
        """A private project."""
        description = Description(name=name)
        return self.db.write_blocking(
            lambda session: create_project(
                session, description, namespace_id=group.id, caller_user=self.admin, now=NOW
            )
        )

    def issue(self, project: Project, title: str = "Broken", **said: Any) -> Issue:
        """An issue of the admin's."""
        admin = self.admin

        def work(session: Any) -> Issue:
            place = named_place(session, admin, str(project.id), now=NOW)
            return create_issue(session, place, IssueChange(title=title, **said), now=NOW)

        return self.db.write_blocking(work)

    def fill_up_to(self, project: Project, number: int) -> None:
        """Issues and merge requests, so that there is one of each with that number."""
        admin = self.admin

        def work(session: Any) -> None:
            place = named_place(session, admin, str(project.id), now=NOW)
            for each in range(number):
                create_issue(session, place, IssueChange(title=f"Issue {each}"), now=NOW)
                change = MergeRequestChange(
                    title=f"Change {each}", source_branch=f"b{each}", target_branch="main"
                )
                create_merge_request(session, place, change, now=NOW)

        self.db.write_blocking(work)

    @property
    def admin(self) -> User:
        return self.db.read_blocking(lambda session: get_user_named(session, "admin"))


@pytest.fixture
async def server(filled: FilledHome) -> AsyncIterator[Server]:
    """One whose background never starts: its own workers would be quicker than the tests."""
    clock = SetClock()
    app = create_app(filled.settings(), clock=clock)
    remember_signatures()
    transport = httpx.ASGITransport(app=cast("Any", app))
    async with httpx.AsyncClient(transport=transport, base_url="http://instance.test") as client:
        served = Server(app, client, clock, filled)
        yield served
        served.db.close()


@pytest.fixture(scope="session")
def schema() -> Schema:
    return build_schema()


@pytest.fixture
def hall(asker: Asker, schema: Schema) -> Hall:
    asker.buy(a_line(), a_line("duo_self_hosted", accompanies="duo_enterprise"))
    return Hall(asker, schema)
