from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlmodel import Session, select, text

from appliance.storage.engine import (
    DatabasePasswordError,
    DatabaseUnavailableError,
    DatabaseUrlError,
    Db,
    database_hosts,
    database_url,
    plain_engine,
    with_password,
)
from appliance.storage.identity import IdentityRow
from tests.instance_builders import NOW


def _a_row(epoch: int = 0) -> IdentityRow:
    return IdentityRow(id=1, instance_id="i", feed_epoch=epoch, created_at=NOW)


def _count_up(session: Session) -> None:
    row = session.exec(select(IdentityRow)).one()
    row.feed_epoch += 1


def test_no_increment_is_lost_between_eight_threads(db: Db) -> None:
    db.write_blocking(lambda session: session.add(_a_row()))
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(db.write_blocking, _count_up) for _ in range(80)]:
            done.result()
    counted = db.read_blocking(lambda session: session.exec(select(IdentityRow.feed_epoch)).one())
    assert counted == 80


def test_work_that_fails_leaves_nothing_behind(db: Db) -> None:
    def fail(session: Session) -> None:
        session.add(_a_row())
        session.flush()
        raise KeyError

    with pytest.raises(KeyError):
        db.write_blocking(fail)
    assert db.read_blocking(lambda session: session.get(IdentityRow, 1)) is None


def test_what_a_read_adds_is_not_kept(db: Db) -> None:
    db.read_blocking(lambda session: session.add(_a_row()))
    assert db.read_blocking(lambda session: session.get(IdentityRow, 1)) is None


async def test_async_work_runs_in_a_thread_and_commits(db: Db) -> None:
    await db.write(lambda session: session.add(_a_row(4)))
    found = await db.read(lambda session: session.get(IdentityRow, 1))
    assert found is not None
    assert (found.feed_epoch, found.created_at) == (4, NOW)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(DatabaseUrlError, match="CASEMATE_DATABASE_URL"):
        database_url(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_postgresql_is_spoken_to_through_psycopg(scheme: str) -> None:
    assert database_url(f"{scheme}://u:p@h/d").drivername == "postgresql+psycopg"


def test_a_password_from_a_file_joins_a_url_without_one(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("a:b@c/d\n")
    url = with_password(database_url("postgresql://u@h/d"), file)
    assert (url.username, url.password, url.host) == ("u", "a:b@c/d", "h")
    assert "a:b@c" not in str(url)


def test_a_url_that_needs_no_password_is_left_alone(tmp_path: Path) -> None:
    for text_of_url in ("postgresql://u:p@h/d", f"sqlite:///{tmp_path}/casemate.db"):
        url = database_url(text_of_url)
        assert with_password(url, tmp_path / "missing") == url
    url = database_url("postgresql://u@h/d")
    assert with_password(url, None) == url


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff"])
def test_a_file_without_a_password_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DatabasePasswordError, match="CASEMATE_DATABASE_PASSWORD_FILE"):
        with_password(database_url("postgresql://u@h/d"), file)


def test_an_sqlite_folder_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    plain_engine(database_url(f"sqlite:///{tmp_path}/new/casemate.db")).dispose()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    broken = Db(database_url(f"sqlite:///{tmp_path}/folder"))
    with pytest.raises(DatabaseUnavailableError):
        broken.read_blocking(lambda session: session.execute(text("SELECT 1")))
    broken.close()


def test_an_error_of_a_statement_does_not_show_its_values(db: Db) -> None:
    insert = text("INSERT INTO sealing_checks (id, sealed_text) VALUES (1, :t)")

    def twice(session: Session) -> None:
        session.execute(insert, {"t": b"canary-value"})
        session.execute(insert, {"t": b"canary-value"})

    with pytest.raises(Exception, match="parameters hidden") as error:
        db.write_blocking(twice)
    assert "canary-value" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("sqlite:////var/lib/casemate/casemate.db", ()),
        ("postgresql+psycopg://casemate@db.corp/casemate", ("db.corp",)),
        ("postgresql+psycopg://casemate@/casemate?host=/run/postgresql", ("/run/postgresql",)),
        (
            "postgresql+psycopg://c@/c?host=db-1.corp:5432&host=db-2.corp",
            ("db-1.corp", "db-2.corp"),
        ),
        ("postgresql+psycopg://c@/c?host=db-1.corp,db-2.corp", ("db-1.corp", "db-2.corp")),
    ],
)
def test_the_hosts_of_a_database_are_known(url: str, hosts: tuple[str, ...]) -> None:
    assert database_hosts(database_url(url)) == hosts
