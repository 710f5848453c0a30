import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from install.bundle import program
from install.bundle.errors import NoBundleError
from install.containers import toolbox
from install.containers.engine import Engine
from install.containers.toolbox import Toolbox, ToolboxError
from tests.bundle_builders import a_bundle, the_signing_key
from tests.fakes.docker_engine import FakeEngine
from tests.install.containers.builders import a_bundle_of, an_image

TAG = "casemate/toolbox:2-abc"
IMAGE = an_image("toolbox", TAG)


class BecameError(Exception):
    """Another program would have taken this one's place."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        super().__init__(" ".join(command))
        self.command = list(command)
        self.environment = environment


@pytest.fixture(autouse=True)
def no_python(monkeypatch: pytest.MonkeyPatch, engine: FakeEngine, tmp_path: Path) -> FakeEngine:
    """A machine with an engine, its plugin, and no Python 3.11 in PATH."""

    def become(command: Sequence[str], environment: dict[str, str]) -> NoReturn:
        raise BecameError(command, environment)

    plugin = tmp_path / "client" / "cli-plugins" / "docker-compose"
    plugin.parent.mkdir(parents=True)
    plugin.touch()
    monkeypatch.setenv("DOCKER_CONFIG", str(plugin.parent.parent))
    monkeypatch.setenv("CASEMATE_TOOLBOX", "always")
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(toolbox, "_become", become)
    return engine


def apply(monkeypatch: pytest.MonkeyPatch, bundle: Path, *words: str) -> BecameError:
    """What `python3 BUNDLE apply WORDS` became."""
    monkeypatch.setattr(sys, "argv", [str(bundle), "apply", *words])
    parser = argparse.ArgumentParser()
    toolbox.add(parser.add_subparsers())
    options, _ = parser.parse_known_args(["apply", *words])
    options.bundle = options.bundle or bundle
    with pytest.raises(BecameError) as caught:
        options.run(options)
    return caught.value


def a_signer() -> str:
    return the_signing_key().fingerprint


def test_the_rest_runs_in_the_bundles_toolbox(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_python: FakeEngine
) -> None:
    bundle = a_bundle_of(tmp_path, IMAGE)
    monkeypatch.setenv("CASEMATE_DATABASE_URL", "postgresql://of-a-secret-host/x")
    became = apply(
        monkeypatch, bundle, "--fingerprint", a_signer(), "--compose", "--instance-port", "8081"
    )
    at = became.command.index(TAG)
    assert became.command[at + 1 :] == [
        *("python3", str(bundle), "apply", "--fingerprint", a_signer()),
        *("--compose", "--instance-port", "8081"),
    ]
    home = tmp_path / "home"
    assert {f"{home}:{home}", f"{bundle}:{bundle}:ro"} <= set(became.command)
    assert TAG in no_python.images
    assert "of-a-secret-host" not in " ".join(became.command)
    assert became.environment["CASEMATE_DATABASE_URL"].endswith("of-a-secret-host/x")
    assert "CASEMATE_TOOLBOX" not in became.command


def test_a_python_of_the_machine_comes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CASEMATE_TOOLBOX")
    own = tmp_path / "python3.11"
    own.touch(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    bundle = a_bundle(tmp_path / "x.bundle", {"a": b"a"})
    became = apply(monkeypatch, bundle, "--json")
    assert became.command == [str(own), str(bundle), "apply", "--json"]
    assert "PYTHONPATH" not in became.environment


@pytest.mark.parametrize(
    ("words", "sentence"),
    [((), "no python3.11 is in PATH"), (("--compose",), "built with --images")],
)
def test_without_engine_or_image_it_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    bundle = a_bundle(tmp_path / "x.bundle", {"a": b"a"})
    monkeypatch.setattr(sys, "argv", [str(bundle), "apply", *words])
    options: Any = argparse.Namespace(
        bundle=bundle, fingerprint=a_signer(), allow_unsigned=False, json=False
    )
    with pytest.raises(ToolboxError, match=sentence):
        toolbox.run_apply(options)
    assert not (tmp_path / "home" / "bin").exists()


def test_an_image_of_another_bundle_than_the_verified_one_is_not_taken(
    tmp_path: Path, found: Engine, no_python: FakeEngine
) -> None:
    bundle = a_bundle_of(tmp_path, IMAGE)
    with pytest.raises(NoBundleError, match="another bundle"):
        toolbox._take_image(bundle, found, verified="0" * 64)
    assert TAG not in no_python.images


def test_a_client_that_needs_this_machine_is_told(
    found: Engine, tmp_path: Path, no_python: FakeEngine
) -> None:
    no_python.broken["run"] = (1, "docker: GLIBC_2.38 not found")
    with pytest.raises(ToolboxError, match=r"GLIBC_2\.38 not found.*static one"):
        Toolbox(home=tmp_path, image=TAG, engine=found).check()


def test_later_commands_run_in_the_toolbox_of_the_slot_in_use(
    found: Engine, tmp_path: Path
) -> None:
    home = tmp_path / "a home"
    home.mkdir()
    Toolbox(home=home, image=TAG, engine=found).write_program()
    program_ = home / "bin" / "casemate"
    echo = tmp_path / "bin" / "docker"
    echo.parent.mkdir()
    echo.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    echo.chmod(0o755)
    environment = {"PATH": f"{echo.parent}:{os.environ['PATH']}", "CASEMATE_DEVICE": "cpu"}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program_, "ask", "two words"],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    assert run().returncode == 3
    (home / "slot").mkdir()
    (home / "slot" / "slot.json").write_text(
        f'{{\n  "images": {{\n    "toolbox": "{TAG}"\n  }}\n}}'
    )
    lines = run().stdout.splitlines()
    assert lines[-4:] == [TAG, f"{home}/slot/services/bin/casemate", "ask", "two words"]
    assert lines[lines.index("CASEMATE_DEVICE") - 1] == "--env"
    assert f"{tmp_path}:{tmp_path}" in lines


def test_an_older_python_is_offered_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    bundle = a_bundle_of(tmp_path, IMAGE)
    words = ["apply", "--compose", "--fingerprint", a_signer()]
    monkeypatch.setattr(sys, "argv", [str(bundle), *words])
    with pytest.raises(BecameError, match="docker run"):
        program.main(words, carried=bundle)
