"""A home with stand-ins for the three parts, and the ports that it listens on."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from install import cli, contents, environments, stopping
from install.config import Config, save
from install.environments import LOCKS, Environment
from install.places import Places, make_folders
from tests.conftest import a_free_port
from tests.fakes import parts

Run = Callable[..., tuple[int, str, str]]
CLONE = Path(__file__).parents[2]
PYTHON = f"""#!/bin/sh
case "$3" in
  appliance|gateway|model_server)
    PYTHONPATH={CLONE} exec {sys.executable} {parts.__file__} "$@";;
  *) PYTHONPATH={CLONE} exec {sys.executable} "$@";;
esac
"""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """A home with its folders; whatever was started there is stopped.

    `install.processes` decides what is ended here, so no test may patch what it finds.
    """
    found = Places(home=tmp_path / "home", uid=os.geteuid())
    make_folders(found)
    for name in list(os.environ):
        if name.startswith("CASEMATE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CASEMATE_HOME", str(found.home))
    yield found
    stopping.stop_everything(found)
    if found.socket_folder.exists():
        for path in found.socket_folder.iterdir():
            path.unlink()
        found.socket_folder.rmdir()


@pytest.fixture
def free_ports() -> list[int]:
    """Five ports that nothing listens on."""
    return [a_free_port() for _ in range(5)]


@pytest.fixture
def config(free_ports: list[int]) -> Config:
    """Settings with ports that can be had."""
    instance, gateway, model, first, second = free_ports
    return Config(
        instance_port=instance,
        gateway_port=gateway,
        model_port=model,
        instance_metrics_port=first,
        gateway_metrics_port=second,
    )


@pytest.fixture
def installed(places: Places) -> Places:
    """A home whose environments are in place, with stand-ins for the parts."""
    for folder, lock in (
        (places.services, "services.lock"),
        (places.model_server, "model-server-cpu.lock"),
    ):
        (folder / "bin").mkdir(parents=True)
        program = folder / "bin" / "python"
        program.write_text(PYTHON)
        program.chmod(0o755)
        made = Environment(folder=folder, lock=LOCKS / lock, scratch=places.logs)
        digests = {"appliance": "1", "gateway": "1", "model_server": "1", "pyproject.toml": "1"}
        made.stamp.write_text(json.dumps({"lock": made.wanted(), "sources": digests}))
        places.wheels.mkdir(exist_ok=True)
        (places.wheels / "sources.json").write_text(json.dumps(digests))
    starter = places.models / "smollm2-135m-instruct"
    starter.mkdir()
    (starter / "config.json").write_text("{}")
    assert environments.built_digests(places.wheels)
    return places


@pytest.fixture
def wish(places: Places) -> Callable[..., None]:
    """Makes the stand-ins misbehave."""

    def write(**wishes: object) -> None:
        (places.home / "stand_in.json").write_text(json.dumps(wishes))

    return write


@pytest.fixture
def casemate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the program here; (exit code, standard output, standard error)."""
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["casemate", *words])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        said = capsys.readouterr()
        return int(caught.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def parts_running(places: Places, config: Config) -> Iterator[Places]:
    """Stand-ins for instance and gateway in this process."""
    save(places.config, config)
    contents.token_file(places).write_text(parts.TOKEN)
    parts.InstanceSurface.models = ()
    servers = [
        parts.serve(parts.InstanceSurface, config.instance_port),
        parts.serve(parts.GatewaySurface, config.gateway_port),
    ]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    yield places
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()
