import json
import subprocess
import sys
from pathlib import Path

import appliance

WHAT = "import json, sys, appliance.__main__; print(json.dumps(list(sys.modules)))"


def test_a_command_knows_every_table_and_loads_nothing_that_answers_requests() -> None:
    """What copies the database without one of them would lose what it holds."""
    folder = Path(appliance.__file__).parent
    concepts = {path.parent.name for path in folder.glob("*/tables*") if path.suffix in {"", ".py"}}
    assert len(concepts) > 10
    done = subprocess.run(
        [sys.executable, "-c", WHAT], capture_output=True, text=True, check=True, timeout=120
    )
    loaded = set(json.loads(done.stdout))
    assert {f"appliance.{name}.tables" for name in concepts} <= loaded
    assert not {"litestar", "uvicorn", "appliance.app"} & loaded
