"""The model server with real vLLM on this machine's CPU."""

import json
import os
import re
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from model_server.guard import members_of
from model_server.launch import MARK
from tests.conftest import a_free_port

REF = "smollm2-135m-instruct"
PROMPT = "An-unusual-word-for-a-prompt"


class RealServer:
    """A model server of its own home, run as a child, and its one model."""

    def __init__(self, python: Path, weights: Path, home: Path) -> None:
        self.home = home
        self.state_folder = home / "model_server"
        self.state_folder.mkdir()
        listed = [{"ref": REF, "path": str(weights), "family": "general"}]
        (self.state_folder / "models.json").write_text(json.dumps(listed))
        port = a_free_port()
        settings = {"CASEMATE_HOME": str(home), "CASEMATE_MODEL_PORT": str(port)}
        self.log = (home / "log").open("wb")
        self.child = subprocess.Popen(
            [python, "-m", "model_server", "serve"],
            env={**os.environ, **settings},
            cwd=home,
            stdout=self.log,
            stderr=self.log,
        )
        self.url = f"http://127.0.0.1:{port}"

    def until(self, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The model's state once it is so; asks ten times a second, at most for five minutes."""
        path = self.state_folder / "state.json"
        for _ in range(3000):
            models = json.loads(path.read_text())["models"] if path.exists() else []
            if models and is_so(models[0]):
                return dict(models[0])
            assert not _ended(self.child), (self.home / "log").read_text()[-4000:]
        raise AssertionError(path.read_text())

    def client(self) -> httpx.Client:
        key = (self.state_folder / "api_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def processes(self) -> dict[int, str]:
        """What runs of vLLM, by its process id, with the title of each."""
        mark = f"{MARK}={self.state_folder.resolve()}".encode()
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (path / "environ").read_bytes().split(b"\0"):
                    found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
        return found


def _ended(child: subprocess.Popen[bytes]) -> bool:
    """Waits a tenth of a second for the end of a child."""
    try:
        child.wait(timeout=0.1)
    except subprocess.TimeoutExpired:
        return False
    return True


def is_ready(state: dict[str, Any]) -> bool:
    return bool(state["state"] == "ready")


@pytest.fixture(scope="module")
def real(
    model_env: Path, starter_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealServer]:
    server = RealServer(model_env, starter_model, tmp_path_factory.mktemp("real"))
    server.until(is_ready)
    yield server
    server.child.terminate()
    assert server.child.wait(timeout=30) == 0
    server.log.close()
    assert server.processes() == {}


def asked(**more: Any) -> dict[str, Any]:
    return {"model": REF, "prompt": PROMPT, "max_tokens": 3, "temperature": 0, **more}


def test_a_model_answers_who_shows_the_key(real: RealServer) -> None:
    with real.client() as client:
        answer = client.post("/v1/completions", json=asked())
    assert answer.json()["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions", "/v1/models"])
def test_without_the_key_nothing_is_answered(real: RealServer, path: str) -> None:
    assert httpx.post(real.url + path, json=asked(), trust_env=False).status_code == 401


@pytest.mark.parametrize("path", ["/invocations", "/tokenize", "/scale_elastic_ep", "/docs"])
def test_routes_that_ask_for_no_key_are_closed(real: RealServer, path: str) -> None:
    assert httpx.post(real.url + path, json=asked(), trust_env=False).status_code == 404


def test_a_stream_names_usage_once_and_last(real: RealServer) -> None:
    body = asked(stream=True, stream_options={"include_usage": True})
    with real.client() as client:
        text = client.post("/v1/completions", json=body).text
    *chunks, usage, done, nothing = text.split("\n\n")
    assert (done, nothing) == ("data: [DONE]", "")
    assert len(chunks) == 3
    assert not any('"usage"' in chunk for chunk in chunks)
    last = json.loads(usage.removeprefix("data: "))
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 3


def test_neither_key_nor_prompt_leaves_the_server(real: RealServer) -> None:
    with real.client() as client:
        client.post("/v1/completions", json=asked())
        client.post("/v1/completions", json=asked(temperature="warm"))
    key = (real.state_folder / "api_key").read_text().strip()
    log = (real.home / "log").read_text()
    assert key not in log
    assert PROMPT not in log
    assert not any(key in title for title in real.processes().values())


def test_all_of_vllm_listens_on_loopback_alone(real: RealServer) -> None:
    inodes = set()
    for pid in real.processes():
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            inodes |= set(re.findall(r"socket:\[(\d+)\]", str(handle.readlink())))
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in inodes:
                listening.append(local.partition(":")[0])
    assert listening
    assert set(listening) == {"0100007F"}


@pytest.mark.parametrize("title", ["api_server", "VLLM::EngineCore", "guard.py"])
def test_whichever_part_is_killed_all_of_it_is_started_again(real: RealServer, title: str) -> None:
    before = real.until(is_ready)
    processes = real.processes()
    # The guard's command line holds the API process's, so the guard is told apart by its own name.
    (victim,) = [
        pid
        for pid, line in processes.items()
        if title in line and (title == "guard.py") == ("guard.py" in line)
    ]
    os.kill(victim, signal.SIGKILL)
    after = real.until(lambda s: is_ready(s) and s["restarts"] > before["restarts"])
    assert after["pid"] != before["pid"]
    assert not set(processes) & set(real.processes())
    with real.client() as client:
        assert client.post("/v1/completions", json=asked()).is_success


def test_a_server_killed_while_vllm_starts_leaves_nothing(
    model_env: Path, starter_model: Path, tmp_path: Path
) -> None:
    server = RealServer(model_env, starter_model, tmp_path)
    server.until(lambda state: state["pid"] is not None)
    (guard,) = [pid for pid, line in server.processes().items() if "guard.py" in line]
    watched = os.pidfd_open(guard)
    server.child.kill()
    server.child.wait()
    server.log.close()
    # A process's descriptor is readable once the process has ended.
    ended, _, _ = select.select([watched], [], [], 60)
    os.close(watched)
    assert ended
    assert not any(not member.is_dead for member in members_of(guard))
