"""The whole appliance in a network namespace that has loopback and no route."""

import json
import os

import pytest

from tests.system.driver import PYTHON, UP_TIMEOUT_S, Appliance

INSIDE = """
set -e
ip link set lo up
test -z "$(ip route)"
"$PYTHON" -m install up --json | tail -n 1 > "$OUT/up.json"
"$CASEMATE" ask "Say yes." --max-tokens 8 > "$OUT/answer.txt"
"$CASEMATE" models check "$MODEL"
"$CASEMATE" status
"$CASEMATE" down
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a network namespace")
def test_it_starts_and_answers_without_a_route(
    appliance: Appliance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("out")
    script = out / "inside.sh"
    script.write_text(INSIDE)
    assert appliance.casemate("down").returncode == 0
    try:
        done = appliance.run(
            *(
                "env",
                f"PYTHON={PYTHON}",
                f"OUT={out}",
                f"MODEL={appliance.told['model']}",
                f"CASEMATE={appliance.home}/envs/services/bin/casemate",
            ),
            *("unshare", "--net", "--kill-child", "bash", script),
            timeout_s=UP_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads((out / "up.json").read_text())["answer"].strip()
        assert (out / "answer.txt").read_text().strip()
        assert appliance.processes() == []
        refused = (appliance.home / "logs" / "gateway.log").read_text().count("egress_refused")
        assert refused == 0
    finally:
        appliance.up()
