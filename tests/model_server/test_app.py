import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from model_server import hardware
from model_server.app import ModelServer, check_port, held, plan_all, reachable_host, read_list
from model_server.credentials import read_api_key
from model_server.errors import (
    AlreadyRunningError,
    PortTakenError,
    SettingsInvalidError,
)
from model_server.settings import Settings
from tests.conftest import a_free_port
from tests.fakes.vllm_stand_in import command
from tests.model_server.builders import a_machine, a_model_folder


@pytest.fixture(autouse=True)
def _the_usual_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "look", a_machine)


def some_settings(home: Path, *refs: str, **facts: Any) -> Settings:
    """Settings of a home whose list names models that stand-ins can serve."""
    state = home / "model_server"
    state.mkdir()
    listed = [{"ref": ref, "path": str(a_model_folder(home / ref))} for ref in refs]
    (state / "models.json").write_text(json.dumps(listed))
    usual = {"home": home, "model_command": command("--grandchild"), "model_port": a_free_port()}
    return Settings(**{**usual, **facts})


def states_of(settings: Settings) -> list[dict[str, Any]]:
    content = json.loads((settings.state_folder / "state.json").read_text())
    return list(content["models"])


class Running:
    """A model server in this process, from its start to its end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ending = asyncio.Event()
        server = ModelServer(
            settings, read_list(settings), api_key=read_api_key(settings.api_key_file)
        )
        self.task = asyncio.create_task(server.run(until=self.ending))

    async def __aenter__(self) -> "Running":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.ending.set()
        await self.task

    async def until(self, state: str, *, restarts: int = 0) -> list[dict[str, Any]]:
        async with asyncio.timeout(30):
            while True:
                models = states_of(self.settings)
                if all(m["state"] == state and m["restarts"] >= restarts for m in models):
                    return models
                await asyncio.wait({self.task}, timeout=0.02)


async def test_each_model_has_its_own_port_and_process(tmp_path: Path) -> None:
    async with Running(some_settings(tmp_path, "a", "b")) as running:
        first, second = await running.until("ready")
    assert second["port"] == first["port"] + 1
    assert first["pid"] != second["pid"]


async def test_an_end_leaves_no_process_and_says_so(tmp_path: Path) -> None:
    settings = some_settings(tmp_path, "a")
    async with Running(settings) as running:
        (ready,) = await running.until("ready")
    with pytest.raises(ProcessLookupError):
        os.kill(ready["pid"], 0)
    (ended,) = states_of(settings)
    assert (ended["state"], ended["pid"]) == ("failed", None)
    assert ended["reason"] == "The model server was stopped."


async def test_a_killed_model_comes_back(tmp_path: Path) -> None:
    async with Running(some_settings(tmp_path, "a")) as running:
        (before,) = await running.until("ready")
        os.kill(before["pid"], signal.SIGKILL)
        (after,) = await running.until("ready", restarts=1)
    assert after["pid"] != before["pid"]


async def test_a_taken_port_is_said_and_not_shared(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        async with Running(some_settings(tmp_path, "a", model_port=port)) as running:
            (failed,) = await running.until("failed")
    assert failed["reason"] == f"Port {port} is taken by another program."


async def test_damaged_weights_are_said_and_nothing_is_started(tmp_path: Path) -> None:
    settings = some_settings(tmp_path, "a")
    (tmp_path / "a" / "model.safetensors").write_bytes(b"")
    async with Running(settings) as running:
        (failed,) = await running.until("failed")
    assert "not a safetensors file" in failed["reason"]


def test_a_plan_of_every_model_can_be_asked_for(tmp_path: Path) -> None:
    plans = plan_all(some_settings(tmp_path, "a", "b", model_port=8000))
    assert list(plans) == ["a", "b"]
    assert "8001" in plans["b"].arguments


def test_more_models_than_ports_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalidError, match="not enough ports"):
        read_list(some_settings(tmp_path, "a", "b", model_port=65535))


def test_a_state_folder_has_one_server(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(AlreadyRunningError), held(tmp_path):
        pass
    with held(tmp_path):
        pass


def test_a_free_port_passes() -> None:
    check_port("127.0.0.1", a_free_port())


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(PortTakenError):
        check_port("192.0.2.1", 1)


@pytest.mark.parametrize(
    ("bound", "reached"),
    [
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104  # compared with, not bound to
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("10.0.0.9", "10.0.0.9"),
    ],
)
def test_a_server_is_asked_at_an_address_that_it_has(bound: str, reached: str) -> None:
    assert reachable_host(bound) == reached
