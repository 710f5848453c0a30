import os
import signal
import subprocess
import sys
from contextlib import closing

import psycopg
import pytest

from appliance.storage.engine import Db
from appliance.storage.leadership import LEADER_LOCK, leadership

LEADER = """
import sys, time
from appliance.storage.engine import database_url
from appliance.storage.leadership import leadership
lock = leadership(database_url(sys.argv[1]))
print(lock.hold(), flush=True)
time.sleep(60)
"""


def test_one_leads_until_it_gives_up(db: Db) -> None:
    first, second = leadership(db.engine.url), leadership(db.engine.url)
    assert first.hold()
    assert first.hold()
    assert not second.hold()
    first.release()
    first.release()
    assert second.hold()
    assert not first.hold()
    second.release()


def test_a_killed_leader_leads_no_longer(db: Db, migrated_url: str) -> None:
    command = [sys.executable, "-c", LEADER, migrated_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as leader:
        assert leader.stdout is not None
        assert leader.stdout.readline() == "True\n"
        other = leadership(db.engine.url)
        assert not other.hold()
        os.kill(leader.pid, signal.SIGKILL)
        leader.wait()
    for _ in range(500):
        if other.hold():
            break
    assert other.hold()
    other.release()


def test_who_loses_its_connection_leads_no_longer(db: Db, migrated_url: str) -> None:
    if migrated_url.startswith("sqlite"):
        pytest.skip("A file is not lost.")
    lock = leadership(db.engine.url)
    assert lock.hold()
    with closing(psycopg.connect(migrated_url.replace("postgresql://", "postgres://"))) as admin:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objid::bigint = %s"
        admin.execute(ended, (LEADER_LOCK,))
    assert not lock.hold()
    assert lock.hold()
    lock.release()
