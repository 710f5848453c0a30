import json
import subprocess
import sys

from appliance.app import create_app
from appliance.storage.engine import Row

WHAT = """
import json, sys
import appliance.__main__
from appliance.storage.engine import Row
print(json.dumps([sorted(Row.metadata.tables), "litestar" in sys.modules]))
"""


def test_a_command_knows_every_table_and_loads_nothing_that_answers_requests() -> None:
    """What copies the database without one of them would lose what it holds."""
    assert create_app.__module__ == "appliance.app"
    done = subprocess.run(
        [sys.executable, "-c", WHAT], capture_output=True, text=True, check=True, timeout=120
    )
    tables, answers_requests = json.loads(done.stdout)
    assert tables == sorted(Row.metadata.tables)
    assert len(tables) > 30
    assert not answers_requests
