import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from appliance.accounts import usecases as accounts
from appliance.accounts.rules import Profile, Scope
from appliance.audit import usecases as audit
from appliance.audit.rules import SYSTEM
from appliance.local import database
from appliance.settings import Settings
from appliance.storage.engine import Db, database_url
from appliance.storage.identity import read_identity
from appliance.storage.migrations import SCHEMA_GENERATION, migrate
from appliance.storage.snapshots import SnapshotTooNewError, SnapshotUnreadableError
from tests.appliance.conftest import Databases, FilledHome
from tests.instance_builders import NOW


class Box:
    """A database with what tests do to it."""

    def __init__(self, home: Path, url: str) -> None:
        self.url = url
        self.settings = Settings.model_validate({"home": home, "database_url": url})

    def write(self, work: Any) -> Any:
        with closing(Db(database_url(self.url))) as db:
            return db.write_blocking(work)

    def run(self, statement: str, **values: object) -> Any:
        return self.write(lambda session: session.execute(text(statement), values))

    def one(self, query: str) -> Any:
        return self.write(lambda session: session.execute(text(query)).scalar())

    def rows(self, table: str) -> list[Any]:
        query = text(f"SELECT * FROM {table} ORDER BY 1")  # noqa: S608  # a table of ours
        return list(self.write(lambda session: session.execute(query).all()))

    def new_user(self, name: str) -> int:
        profile = Profile(username=name, name=name, email=f"{name}@example.org")
        made = self.write(
            lambda session: accounts.create_user(
                session, profile, password_hash=None, actor=SYSTEM, now=NOW
            )
        )
        return int(made.id)

    def new_pat(self, user: int) -> int:
        wish = accounts.PatRequest(
            name="x", scopes=frozenset({Scope("api")}), secret=accounts.generate_pat()
        )
        made = self.write(
            lambda session: accounts.create_pat(session, user, wish, actor=SYSTEM, now=NOW)
        )
        return int(made.id)

    def verify(self) -> bool:
        return bool(self.write(audit.verify).is_intact)

    def epoch(self) -> int:
        return int(self.write(read_identity).feed_epoch)


@pytest.fixture
def box(filled: FilledHome) -> Box:
    return Box(filled.home, filled.url)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "snapshot.db"


@pytest.fixture
def another(tmp_path: Path, databases: Databases) -> Iterator[Box]:
    with databases.one() as url:
        yield Box(tmp_path / "another", url)


def test_a_snapshot_comes_back_into_an_empty_database(box: Box, another: Box, file: Path) -> None:
    user = box.new_user("ada")
    said = database.snapshot(box.settings, file)
    assert said["generation"] == SCHEMA_GENERATION
    assert file.stat().st_mode & 0o077 == 0
    done = database.restore(another.settings, file)
    assert (done["epoch"], done["replaced"], done["audit_log"]) == (2, None, "from the snapshot")
    for table in ("users", "personal_access_tokens", "signing_keys", "self_hosted_models"):
        assert another.rows(table) == box.rows(table)
    assert another.verify()
    assert another.new_user("bob") == user + 1


def test_it_goes_across_to_the_other_kind_of_database(box: Box, file: Path, tmp_path: Path) -> None:
    database.snapshot(box.settings, file)
    other = Box(tmp_path / "sqlite", f"sqlite:///{tmp_path}/sqlite/casemate.db")
    database.restore(other.settings, file)
    database.snapshot(other.settings, tmp_path / "again.db")
    database.restore(box.settings, tmp_path / "again.db")
    assert box.epoch() == 3
    assert box.verify()


def test_what_was_revoked_since_stays_so(box: Box, file: Path) -> None:
    user, gone = box.new_user("ada"), box.new_user("bob")
    kept, revoked, removed = box.new_pat(user), box.new_pat(user), box.new_pat(gone)
    database.snapshot(box.settings, file)
    box.write(lambda session: accounts.revoke_pat(session, None, revoked, actor=SYSTEM, now=NOW))
    box.write(lambda session: accounts.delete_user(session, gone, actor=SYSTEM, now=NOW))
    box.run("UPDATE users SET grant_generation = 9, state = 'blocked' WHERE id = :id", id=user)
    box.run("UPDATE signing_keys SET state = 'dead'")
    database.restore(box.settings, file)
    states = dict(
        box.write(
            lambda session: session.execute(
                text("SELECT id, is_revoked FROM personal_access_tokens")
            ).all()
        )
    )
    assert (states[kept], states[revoked], states[removed]) == (False, True, True)
    assert box.one("SELECT grant_generation FROM users WHERE username = 'ada'") == 9
    assert box.one("SELECT state FROM users WHERE username = 'ada'") == "blocked"
    assert box.one("SELECT state FROM signing_keys") == "dead"
    assert box.one("SELECT count(*) FROM users WHERE username = 'bob'") == 1


def test_the_log_and_the_counts_only_grow(box: Box, file: Path) -> None:
    database.snapshot(box.settings, file)
    later = box.new_user("ada")
    entries = box.one("SELECT max(sequence) FROM audit_events")
    era = box.one("SELECT max(era) FROM grant_eras") or 0
    assert database.restore(box.settings, file)["audit_log"] == "kept"
    assert box.one("SELECT max(sequence) FROM audit_events") == entries + 1
    assert box.verify()
    assert box.one("SELECT era FROM grant_eras") > era
    assert box.epoch() == 2
    assert box.new_user("bob") == later + 1


def test_another_instance_s_record_does_not_count(box: Box, file: Path) -> None:
    database.snapshot(box.settings, file)
    box.run("UPDATE instance_identity SET instance_id = 'another'")
    box.run("UPDATE personal_access_tokens SET is_revoked = (1 = 1)")
    done = database.restore(box.settings, file)
    assert (done["replaced"], done["audit_log"]) == ("another", "from the snapshot")
    assert not box.one("SELECT max(cast(is_revoked AS integer)) FROM personal_access_tokens")


def test_a_newer_release_s_snapshot_is_refused(box: Box, another: Box, file: Path) -> None:
    database.snapshot(box.settings, file)
    newer = Box(file.parent, f"sqlite:///{file}")
    newer.run(
        "INSERT INTO schema_generations (generation, release, at) "
        "SELECT generation + 1, release, at FROM schema_generations"
    )
    with pytest.raises(SnapshotTooNewError, match="Nothing was changed"):
        database.restore(another.settings, file)


@pytest.mark.parametrize("damage", ["none", "other", "empty", "torn"])
def test_what_is_no_snapshot_changes_nothing(box: Box, file: Path, damage: str) -> None:
    database.snapshot(box.settings, file)
    content = file.read_bytes()
    file.write_bytes(
        {"none": b"", "other": b"x" * 5000, "empty": content[:100], "torn": content[:50_000]}[
            damage
        ]
    )
    with pytest.raises(SnapshotUnreadableError):
        database.restore(box.settings, file)
    assert box.epoch() == 1


def test_a_failure_in_the_middle_leaves_everything_as_it_was(
    box: Box, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.snapshot(box.settings, file)
    box.new_user("ada")
    before = box.rows("users")

    def fail(*_rest: object, **_more: object) -> None:
        message = "cut"
        raise RuntimeError(message)

    monkeypatch.setattr(database, "raise_generation", fail)
    with suppress(RuntimeError):
        database.restore(box.settings, file)
    assert box.rows("users") == before
    assert box.epoch() == 1


def test_a_damaged_database_is_put_aside(box: Box, file: Path, tmp_path: Path) -> None:
    database.snapshot(box.settings, file)
    broken = tmp_path / "broken" / "casemate.db"
    broken.parent.mkdir()
    broken.write_bytes(b"no database" * 1000)
    target = Box(tmp_path / "broken", f"sqlite:///{broken}")
    assert database.restore(target.settings, file)["damaged"] == f"{broken}.damaged"
    assert target.verify()


def test_a_damaged_database_is_back_when_the_restore_fails(
    box: Box, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.snapshot(box.settings, file)
    broken = tmp_path / "broken" / "casemate.db"
    broken.parent.mkdir()
    broken.write_bytes(b"no database" * 1000)
    monkeypatch.setattr(database, "raise_generation", _cut)
    with pytest.raises(RuntimeError, match="cut"):
        database.restore(Box(tmp_path / "broken", f"sqlite:///{broken}").settings, file)
    assert broken.read_bytes() == b"no database" * 1000
    assert not list(broken.parent.glob("*.damaged*"))


def _cut(*_rest: object, **_more: object) -> None:
    message = "cut"
    raise RuntimeError(message)


def test_a_snapshot_that_cannot_be_used_leaves_a_damaged_database(
    file: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "casemate.db"
    broken.write_bytes(b"no database" * 1000)
    file.write_bytes(b"x" * 5000)
    with pytest.raises(SnapshotUnreadableError):
        database.restore(Box(tmp_path, f"sqlite:///{broken}").settings, file)
    assert broken.read_bytes() == b"no database" * 1000


def test_putting_back_again_changes_nothing_but_the_epoch(box: Box, file: Path) -> None:
    user = box.new_user("ada")
    pat = box.new_pat(user)
    before = [box.rows(each) for each in ("users", "personal_access_tokens", "audit_events")]
    database.snapshot(box.settings, file)
    assert database.put_back(box.settings, file)["epoch"] == 1
    box.run("DELETE FROM personal_access_tokens WHERE id = :id", id=pat)
    box.run("UPDATE instance_identity SET feed_epoch = 7")
    assert database.put_back(box.settings, file)["epoch"] == 8
    assert database.put_back(box.settings, file)["epoch"] == 9
    assert box.epoch() == 9
    assert before == [
        box.rows(each) for each in ("users", "personal_access_tokens", "audit_events")
    ]


@pytest.mark.parametrize("damage", ["a newer form", "a bad page", "no instance"])
def test_a_file_is_put_back_whatever_it_holds(
    databases: Databases, tmp_path: Path, file: Path, damage: str
) -> None:
    if databases.backend != "sqlite":
        pytest.skip("a server's database is kept as rows")
    live = tmp_path / "live" / "casemate.db"
    box = Box(tmp_path, f"sqlite:///{live}")
    other = Box(tmp_path, f"sqlite:///{tmp_path}/other.db")
    for each in (box, other):
        migrate(database_url(each.url))
    match damage:
        case "a newer form":
            box.run("UPDATE schema_generations SET generation = generation + 5")
        case "a bad page":
            root = "SELECT rootpage FROM sqlite_master WHERE name = 'instance_identity'"
            page = box.one(root)
            with live.open("r+b") as broken:
                broken.seek((page - 1) * 4096)
                broken.write(b"x" * 4096)
        case _:
            pass
    with closing(sqlite3.connect(live)) as found:
        found.execute("PRAGMA journal_mode=DELETE")
    before = live.read_bytes()
    database.snapshot(box.settings, file)
    live.write_bytes((tmp_path / "other.db").read_bytes())
    Path(f"{live}-wal").write_bytes(b"of the other")
    assert database.put_back(box.settings, file)["epoch"] is None
    assert live.read_bytes()[100:] == before[100:]
    assert not list(live.parent.glob("casemate.db-*"))
