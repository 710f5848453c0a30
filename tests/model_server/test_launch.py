import os
import signal
from pathlib import Path

import pytest

from model_server.guard import members_of
from model_server.launch import Engine, end_leftovers, engine_environment, leftovers
from tests.fakes.vllm_stand_in import command


async def an_engine(folder: Path, *misbehaviour: str, mark: str = "/state") -> Engine:
    environment = engine_environment(
        {"PATH": os.environ["PATH"]}, {}, api_key="the-api-key-0001", mark=mark
    )
    return await Engine.start(
        command(*misbehaviour),
        environment=environment,
        folder=folder,
        on_line=lambda _: None,
        grace_s=1.0,
    )


async def said(engine: Engine, word: str) -> str:
    """The first line that begins with `word`; the engine must say one."""
    while True:
        for line in engine.last_lines:
            if line.startswith(word):
                return line
        assert not await engine.ends_within(0.02), list(engine.last_lines)


def living(engine: Engine) -> list[int]:
    return [one.pid for one in members_of(engine._process.pid) if not one.is_dead]


async def test_a_stop_leaves_nothing_of_the_session(tmp_path: Path) -> None:
    engine = await an_engine(tmp_path, "--grandchild")
    await said(engine, "environment")
    assert len(living(engine)) == 3
    assert await engine.stop()
    assert living(engine) == []


async def test_one_that_does_not_listen_to_sigterm_is_killed(tmp_path: Path) -> None:
    engine = await an_engine(tmp_path, "--deaf", "--grandchild")
    await said(engine, "environment")
    assert await engine.stop()
    assert engine.exit_code == 128 + signal.SIGKILL
    assert living(engine) == []


async def test_an_end_of_its_own_takes_the_grandchildren_along(tmp_path: Path) -> None:
    engine = await an_engine(tmp_path, "--grandchild", "--say", "last words", "--die")
    assert await engine.ends_within(20)
    assert engine.exit_code == 1
    assert "last words" in engine.last_lines
    assert living(engine) == []
    assert await engine.stop()


async def test_a_killed_api_process_takes_the_rest_along(tmp_path: Path) -> None:
    engine = await an_engine(tmp_path, "--grandchild", "--deaf")
    await said(engine, "environment")
    api_pid = engine.api_pid()
    assert api_pid is not None
    os.kill(api_pid, signal.SIGKILL)
    assert await engine.ends_within(20)
    assert living(engine) == []
    assert engine.api_pid() is None
    assert await engine.stop()


async def test_a_killed_guard_leaves_nothing_after_a_stop(tmp_path: Path) -> None:
    engine = await an_engine(tmp_path, "--grandchild", "--deaf")
    await said(engine, "environment")
    os.kill(engine._process.pid, signal.SIGKILL)
    assert await engine.ends_within(20)
    assert await engine.stop()
    assert living(engine) == []


async def test_leftovers_are_known_by_their_mark_and_ended(tmp_path: Path) -> None:
    engine = await an_engine(tmp_path, "--grandchild", mark=str(tmp_path))
    await said(engine, "environment")
    assert sorted(leftovers(str(tmp_path))) == sorted(living(engine))
    assert leftovers(str(tmp_path / "another")) == []
    assert end_leftovers(str(tmp_path)) == 3
    assert await engine.ends_within(20)
    assert await engine.stop()


async def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    engine = await an_engine(tmp_path, "--say", "x" * 9000 + "\x1b[31m red", "--die")
    assert await engine.ends_within(20)
    assert max(map(len, engine.last_lines)) == 4000
    await engine.stop()


async def test_the_child_gets_the_environment_that_was_planned(tmp_path: Path) -> None:
    engine = await an_engine(tmp_path)
    line = await said(engine, "environment")
    assert "VLLM_API_KEY" in line
    assert "CASEMATE_ENGINE_OF" in line
    assert await engine.stop()


@pytest.mark.parametrize(
    "name",
    [
        "http_proxy", "HTTPS_PROXY", "no_proxy", "CASEMATE_HOME", "HF_TOKEN", "OTEL_X",
        "VLLM_SERVER_DEV_MODE", "PYTHONPATH", "PYTHONHOME",
    ],
)  # fmt: skip
def test_what_leads_out_or_astray_is_kept_from_the_child(name: str) -> None:
    environment = engine_environment({name: "x"}, {}, api_key="k", mark="m")
    assert environment.get(name) != "x"


def test_what_the_machine_sets_and_the_plan_adds_is_passed_on() -> None:
    environment = engine_environment(
        {"LD_LIBRARY_PATH": "/cuda", "A": "old"}, {"A": "new"}, api_key="k", mark="m"
    )
    assert environment["LD_LIBRARY_PATH"] == "/cuda"
    assert environment["A"] == "new"
    assert environment["VLLM_API_KEY"] == "k"
