"""What is asked of the database does not grow with the number of groups."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from appliance.access_tokens.usecases import ensure_signing_key
from appliance.accounts.rules import Profile
from appliance.accounts.usecases import create_user
from appliance.audit.rules import SYSTEM
from appliance.gateway_feed import usecases as feed
from appliance.gateway_feed.rules import encode
from appliance.gateway_feed.usecases import Registration, Wish
from appliance.joints import FROM_ABOVE
from appliance.model_selection import usecases as choosing
from appliance.model_selection.rules import ChoiceChange, FeatureChange
from appliance.namespaces import usecases as groups
from appliance.namespaces.rules import GroupFilter
from appliance.storage.engine import Db, Session, database_url
from appliance.storage.identity import ensure_identity
from appliance.storage.migrations import migrate
from appliance.storage.paging import Page
from appliance.storage.sealing import Sealer
from gateway.contract.catalog import load_catalog
from tests.bench.selection_world import World, fill
from tests.instance_builders import NOW, GatewayKeys, a_user, some_sources

CATALOG = load_catalog()
ADMIN = a_user(id=1, is_admin=True)
KEYS, SEALER = GatewayKeys(), Sealer(b"m" * 32)
SOURCES = some_sources(SEALER)
PROFILE = Profile(username="admin", name="Admin", email="a@b", is_admin=True)
FEATURE = "duo_chat"
SIZES = (200, 1000)

Work = Callable[..., Any]


def _snapshot(session: Session, world: World) -> Any:
    del world
    wish = Wish(gateway_id=KEYS.id, stream="s")
    return feed.open_stream(session, wish, sources=SOURCES, now=NOW)


def _resolution(session: Session, world: World) -> Any:
    group = groups.get_namespace(session, world.chain[-1])
    return choosing.effective_in(session, group, catalog=CATALOG, may_switch=True)


def _choice(session: Session, world: World) -> Any:
    change = ChoiceChange(features=(FEATURE,), model_ref="alpha")
    return choosing.change_choices(session, ADMIN, world.chain[0], change, catalog=CATALOG, now=NOW)


def _setting(session: Session, world: World) -> Any:
    del world
    change = FeatureChange(
        features=(FEATURE,), provider=None, default_ref="beta", allowed=("beta",)
    )
    return choosing.change_features(session, change, catalog=CATALOG, actor=SYSTEM, now=NOW)


def _move(session: Session, world: World) -> Any:
    return groups.move_group(
        session,
        groups.get_namespace(session, world.chain[1]),
        None,
        surroundings=FROM_ABOVE["surroundings"],
        caller_user=ADMIN,
        now=NOW,
    )


def _listing(session: Session, world: World) -> Any:
    del world
    return groups.list_groups(session, ADMIN, Page.asked(1, 20), wanted=GroupFilter(), now=NOW)


def _choices(session: Session, world: World) -> Any:
    return choosing.list_choices(session, ADMIN, world.chain[-1], catalog=CATALOG, now=NOW)


def _instance(path: Path, size: int) -> tuple[Db, World]:
    url = database_url(f"sqlite:///{path}")
    migrate(url)
    registration = Registration(
        name="local",
        signing_key=encode(KEYS.signing_public),
        sealing_key=encode(KEYS.sealing_public),
    )

    def work(session: Session) -> World:
        ensure_identity(session, fresh_id=UUID(int=1), now=NOW)
        ensure_signing_key(session, SEALER, now=NOW)
        feed.ensure_feed_key(session, SEALER, now=NOW)
        feed.ensure_gateway(session, registration, now=NOW)
        create_user(session, PROFILE, password_hash=None, actor=SYSTEM, now=NOW)
        return fill(session, size)

    db = Db(url)
    return db, db.write_blocking(work)


@contextmanager
def _counting(db: Db) -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        # The audit has an entry for each five hundred choices that stop counting, or count again.
        if "audit" not in statement:
            asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


class UndoneError(Exception):
    """Ends a transaction without a trace."""


def _asked(instance: tuple[Db, World], work: Work) -> int:
    db, world = instance

    def try_out(session: Session) -> None:
        work(session, world)
        raise UndoneError

    with _counting(db) as asked, suppress(UndoneError):
        db.write_blocking(try_out)
    return len(asked)


@pytest.fixture(scope="module")
def instances(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[tuple[Db, World]]]:
    """One with a few groups, and one with many."""
    folder = tmp_path_factory.mktemp("instances")
    made = [_instance(folder / f"{size}.db", size) for size in SIZES]
    yield made
    for db, _ in made:
        db.close()


@pytest.mark.parametrize(
    "work", [_snapshot, _resolution, _choice, _setting, _move, _listing, _choices]
)
def test_as_much_is_asked_whether_there_are_few_groups_or_many(
    instances: Sequence[tuple[Db, World]], work: Work
) -> None:
    few, many = (_asked(each, work) for each in instances)
    assert few == many > 0
