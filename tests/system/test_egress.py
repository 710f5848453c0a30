"""Each process is made to try to leave: refused, kept in its ledger, shown, and counted."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from install.config import Config, save
from model_server.egress.sitecustomize import LEDGER
from tests.conftest import wait_until
from tests.system.organisation import Organisation
from tests.system.test_model_server import REF, RealServer, is_ready

# Of the networks for documentation; and where the instance is, which a gateway that is allowed
# other networks alone may not reach.
OUTSIDE = "198.51.100.7"
NOT_ALLOWED = "127.0.0.1"
pytestmark = pytest.mark.planted_egress(OUTSIDE, NOT_ALLOWED)

# A patched vLLM, as an admin names one, which calls home when it starts.
PATCHED = """
import runpy, socket

if __name__ == "__main__":
    try:
        socket.create_connection(("198.51.100.7", 443), timeout=5)
    except OSError as error:
        print("called home:", error, flush=True)
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__", alter_sys=True)
"""


def as_admin(organisation: Organisation) -> httpx.Client:
    token = (organisation.home / "admin_token").read_text().strip()
    base_url = f"{organisation.instance_url}/api/v4"
    headers = {"PRIVATE-TOKEN": token}
    return httpx.Client(base_url=base_url, headers=headers, trust_env=False, timeout=20)


def shown(organisation: Organisation) -> dict[str, Any]:
    """What `casemate egress` says of the home."""
    return _casemate(organisation.home, "egress")


def _casemate(home: Path, word: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "install.cli", word, "--json"],
        env={**os.environ, "CASEMATE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def counted(organisation: Organisation, name: str) -> float:
    """What the metrics of a service say."""
    url = f"http://127.0.0.1:{organisation.ports[f'{name}_metrics']}/metrics"
    lines = httpx.get(url, trust_env=False).text.splitlines()
    wanted = f"casemate_{name}_egress_refused_total{{"
    return sum(float(line.split()[-1]) for line in lines if line.startswith(wanted))


def started_anew(organisation: Organisation, name: str, **told: str) -> None:
    organisation.kill(name)
    organisation.told.update(told)
    organisation.start(name)
    for each in told:
        del organisation.told[each]


@pytest.fixture
def organisation(tmp_path: Path) -> Iterator[Organisation]:
    made = Organisation(home=tmp_path / "home")
    made.found()
    settings = Config(
        instance_port=made.ports["instance"],
        gateway_port=made.ports["gateway"],
        instance_metrics_port=made.ports["instance_metrics"],
        gateway_metrics_port=made.ports["gateway_metrics"],
    )
    save(made.home / "config.json", settings)
    try:
        for name in ("mock", "instance", "gateway"):
            made.start(name)
        wait_until(lambda: _is_ready(made), within_s=120)
        yield made
    finally:
        made.end()


def _is_ready(organisation: Organisation) -> bool:
    url = f"http://127.0.0.1:{organisation.ports['gateway']}/monitoring/ready"
    return httpx.get(url, trust_env=False).status_code == 200


def until_kept(organisation: Organisation, service: str) -> dict[str, Any]:
    """The first attempt that the service's ledger has."""
    path = organisation.home / "egress" / f"{service}.jsonl"
    wait_until(path.exists, within_s=120)
    wait_until(lambda: path.read_text().endswith("\n"))
    line: dict[str, Any] = json.loads(path.read_text().splitlines()[0])
    return line


def test_instance_and_gateway_are_refused_what_nobody_allowed(organisation: Organisation) -> None:
    assert shown(organisation)["refused"] == 0
    assert [counted(organisation, name) for name in ("instance", "gateway")] == [0, 0]
    with as_admin(organisation) as admin:
        assert admin.get("/ai/egress").json()["refused"] == 0
    started_anew(organisation, "gateway", CASEMATE_ALLOWED_NETWORKS='["10.0.0.0/8"]')
    kept = until_kept(organisation, "gateway")
    assert (kept["host"], kept["outcome"]) == (NOT_ALLOWED, "refused")
    assert any(name.startswith("gateway.upstream.") for name in kept["by"])
    # The instance looks for the models that its gateway brings, and is told of one outside.
    outside = {
        "CASEMATE_AI_GATEWAY_URL": f"http://{OUTSIDE}:5052",
        "CASEMATE_MODELS_SYNC_INTERVAL": "PT1S",
    }
    started_anew(organisation, "instance", **outside)
    kept = until_kept(organisation, "instance")
    assert (kept["what"], kept["host"], kept["port"]) == ("connect", OUTSIDE, 5052)
    assert any(name.startswith("appliance.") for name in kept["by"])
    _is_shown_everywhere(organisation)


def _is_shown_everywhere(organisation: Organisation) -> None:
    told = shown(organisation)
    assert told["services"]["instance"] >= 1
    assert told["services"]["gateway"] >= 1
    assert told["services"]["vllm"] == 0
    assert _casemate(organisation.home, "status")["egress_refused"] >= 2
    assert counted(organisation, "instance") >= 1
    assert counted(organisation, "gateway") >= 1
    with as_admin(organisation) as admin:
        # The jobs run before it listens.
        wait_until(lambda: admin.get("/ai/egress").json()["reasons"]["network"] >= 1)


def test_a_patched_vllm_is_refused_to_call_home_and_serves_all_the_same(
    model_env: Path, starter_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, patched = tmp_path / "home", tmp_path / "patched.py"
    home.mkdir()
    patched.write_text(PATCHED)
    save(home / "config.json", Config())
    assert _casemate(home, "egress")["refused"] == 0
    monkeypatch.setenv("CASEMATE_MODEL_COMMAND", json.dumps([str(model_env), str(patched)]))
    _serve_and_end(RealServer(model_env, starter_model, home))
    told = _casemate(home, "egress")
    # vLLM itself tried nothing.
    assert [(each["host"], each["by"]) for each in told["attempts"]] == [
        (OUTSIDE, ["__main__:<module>"])
    ]
    assert told["services"] == {"instance": 0, "gateway": 0, "model-server": 0, "vllm": 1}


def _serve_and_end(server: RealServer) -> None:
    try:
        server.until(is_ready)
        watched = f"{LEDGER}={server.home}/egress/vllm.jsonl".encode()
        for pid in server.processes():
            assert watched in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        with server.client() as client:
            body = {"model": REF, "prompt": "Yes", "max_tokens": 3}
            assert client.post("/v1/completions", json=body).status_code == 200
    finally:
        server.child.terminate()
        server.child.wait(timeout=30)
        server.log.close()
