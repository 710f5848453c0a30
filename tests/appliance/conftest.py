"""Databases of both kinds, and an instance that was filled for the first time."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from httpx import AsyncClient, Response
from litestar import Litestar
from litestar.testing import AsyncTestClient
from psycopg.rows import TupleRow
from sqlalchemy.engine import make_url

from appliance.app import HANDLERS, create_app
from appliance.first_contents import fill
from appliance.settings import Settings
from appliance.storage.engine import Db, database_url
from appliance.storage.migrations import migrate
from appliance.storage.sealing import Sealer
from tests.fakes.postgres import NoPostgresError, running_server
from tests.graphql_asker import Asker
from tests.instance_builders import NOW, GatewayKeys, SetClock, some_answers

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[Path]:
    try:
        with running_server() as folder:
            yield folder
    except NoPostgresError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


Admin = psycopg.Connection[TupleRow]


@dataclass(frozen=True)
class Databases:
    """Makes databases of one kind, empty or as copies of another."""

    backend: str
    folder: Path
    admin: Admin | None

    def new(self, template: str | None = None) -> str:
        name = f"t{uuid4().hex}"
        if self.admin is None:
            path = self.folder / name / "casemate.db"
            path.parent.mkdir()
            if template is not None:
                shutil.copy(template.removeprefix("sqlite:///"), path)
            return f"sqlite:///{path}"
        source = "template1" if template is None else _name(template)
        # Copied as files, which takes half as long; the only way there was before PostgreSQL 15.
        way = "STRATEGY FILE_COPY" if self.admin.info.server_version >= 150000 else ""
        self.admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}" {way}'.encode())
        return f"postgresql://postgres@/{name}?host={self.admin.info.host}"

    @contextmanager
    def one(self, template: str | None = None) -> Iterator[str]:
        """One that goes away: a thousand would fill what holds them."""
        url = self.new(template)
        yield url
        if self.admin is None:
            shutil.rmtree(Path(_name(url)).parent)
        else:
            self.admin.execute(f'DROP DATABASE "{_name(url)}" WITH (FORCE)'.encode())


def _name(url: str) -> str:
    return str(make_url(url).database)


def _admin(server: Path) -> Admin:
    return psycopg.connect(f"host={server} user=postgres dbname=postgres", autocommit=True)


@pytest.fixture(scope="session", params=BACKENDS)
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Databases]:
    backend, folder = str(request.param), tmp_path_factory.mktemp("databases")
    if backend == "sqlite":
        yield Databases(backend, folder, None)
        return
    with closing(_admin(request.getfixturevalue("postgres_folder"))) as admin:
        yield Databases(backend, folder, admin)


@pytest.fixture(scope="session")
def migrated_template(databases: Databases) -> str:
    url = databases.new()
    migrate(database_url(url))
    return url


@pytest.fixture
def empty_url(databases: Databases) -> Iterator[str]:
    with databases.one() as url:
        yield url


@pytest.fixture
def migrated_url(databases: Databases, migrated_template: str) -> Iterator[str]:
    with databases.one(migrated_template) as url:
        yield url


@pytest.fixture
def db(migrated_url: str) -> Iterator[Db]:
    with closing(Db(database_url(migrated_url))) as opened:
        yield opened


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(b"m" * 32)


@dataclass(frozen=True)
class FilledHome:
    """An instance after `init`, before it is started."""

    home: Path
    url: str
    keys: GatewayKeys
    instance_id: str

    def settings(self, **changes: object) -> Settings:
        return Settings.model_validate({"home": self.home, "database_url": self.url, **changes})

    def secret(self, name: str) -> str:
        """The admin's `password` or `token`."""
        return (self.home / "credentials" / f"admin_{name}").read_text().strip()


@pytest.fixture(scope="session")
def filled_template(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> FilledHome:
    home, keys, url = tmp_path_factory.mktemp("filled"), GatewayKeys(), databases.new()
    settings = Settings.model_validate({"home": home, "database_url": url})
    result = fill(settings, some_answers(home, keys), now=NOW)
    return FilledHome(home, url, keys, result.instance_id)


@pytest.fixture
def filled(
    filled_template: FilledHome, databases: Databases, tmp_path: Path
) -> Iterator[FilledHome]:
    home = tmp_path / "home"
    shutil.copytree(filled_template.home, home)
    with databases.one(filled_template.url) as url:
        yield FilledHome(home, url, filled_template.keys, filled_template.instance_id)


@dataclass
class Server:
    """A running instance and its admin's token."""

    app: Litestar
    client: AsyncClient
    clock: SetClock
    filled: FilledHome
    heard: list[Response] = field(default_factory=list)

    @property
    def db(self) -> Db:
        opened: Db = self.app.state.db
        return opened

    async def ask(self, method: str, path: str, *, pat: str | None = None, **rest: Any) -> Response:
        """A request as the admin, or with `pat`; "" for none at all."""
        headers = dict(rest.pop("headers", {}))
        text = self.filled.secret("token") if pat is None else pat
        if text:
            headers["PRIVATE-TOKEN"] = text
        answer = await self.client.request(method, path, headers=headers, **rest)
        self.heard.append(answer)
        return answer

    async def new_user(self, username: str, *scopes: str, **fields: Any) -> tuple[int, str]:
        """A new user's number, and a personal access token with those scopes."""
        body = {"username": username, "name": username, "email": f"{username}@example.org"}
        user = (await self.ask("POST", "/api/v4/users", json={**body, **fields})).json()
        path = f"/api/v4/users/{user['id']}/personal_access_tokens"
        wish = {"name": "for a test", "scopes": list(scopes or ["api"])}
        return user["id"], (await self.ask("POST", path, json=wish)).json()["token"]


def remember_signatures() -> None:
    """Litestar reads every handler's signature for each application, unless it knows it already.

    Copies of a handler know what it knows; what is read needs an application that it belongs to.
    """
    for handler in HANDLERS:
        assert handler.signature_model is not None


@pytest.fixture(autouse=True)
def one_authority_here(one_authority: None) -> None:
    """No application is made with a machine's own authorities."""


@pytest.fixture
async def server(filled: FilledHome) -> AsyncIterator[Server]:
    clock = SetClock()
    app = create_app(filled.settings(), clock=clock)
    remember_signatures()
    async with AsyncTestClient(app) as client:
        yield Server(app, client, clock, filled)


@pytest.fixture
def asker(server: Server) -> Asker:
    """Who asks the server in GraphQL, and buys there."""
    return Asker(server)
