import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance import __main__ as program
from appliance.storage.sealing import create_master_key
from tests.appliance.conftest import FilledHome
from tests.conftest import a_free_port, wait_until
from tests.instance_builders import GatewayKeys, some_answers


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in [name for name in os.environ if name.startswith("CASEMATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    before = os.umask(0o022)
    yield tmp_path
    os.umask(before)


@pytest.fixture
def answers(home: Path) -> Path:
    path = home / "answers.json"
    path.write_text(json.dumps(some_answers(home, GatewayKeys()).model_dump(mode="json")))
    return path


def _said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_init_prints_what_a_gateway_must_be_given(
    answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["init", "--answers", str(answers)]) == 0
    said = _said(capsys)
    assert set(said) == {"instance_id", "feed_key", "issuer", "created", "changed"}
    assert len(said["feed_key"]) == 43
    assert program.main(["init", "--answers", str(answers)]) == 0
    again = _said(capsys)
    assert again["created"] == []
    assert again["instance_id"] == said["instance_id"]


def test_init_reports_missing_files_on_stderr(
    answers: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program.main(["init", "--answers", str(answers)])
    (home / "credentials" / "admin_password").unlink()
    capsys.readouterr()
    assert program.main(["init", "--answers", str(answers)]) == 0
    assert "users reset-password admin" in capsys.readouterr().err


def test_the_database_is_nobody_else_s_to_read(answers: Path, home: Path) -> None:
    program.main(["init", "--answers", str(answers)])
    assert (home / "instance" / "casemate.db").stat().st_mode & 0o077 == 0


def test_a_refusal_is_one_sentence_and_exit_2(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["init", "--answers", str(home / "none")]) == 2
    assert capsys.readouterr().err.endswith("none: cannot be read [answers_invalid]\n")


def test_wrong_settings_are_listed_and_exit_2(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_INSTANCE_PORT", "0")
    monkeypatch.setenv("CASEMATE_INSTANCE_METRICS_PORT", "x")
    assert program.main(["users", "token", "admin"]) == 2
    said = capsys.readouterr().err
    assert "CASEMATE_INSTANCE_PORT" in said
    assert "CASEMATE_INSTANCE_METRICS_PORT" in said
    assert not (home / "instance").exists()


def test_users_are_made_and_helped_on_the_machine(
    answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program.main(["init", "--answers", str(answers)])
    assert program.main(["users", "create", "ada", "--admin"]) == 0
    made = _said(capsys)
    assert made["username"] == "ada"
    assert program.main(["users", "reset-password", "ADA"]) == 0
    assert _said(capsys)["password"] != made["password"]
    assert program.main(["users", "token", "ada", "--scopes", "ai_features,read_api"]) == 0
    pat = _said(capsys)
    assert pat["token"].startswith("casemate-pat-")
    assert pat["scopes"] == ["ai_features", "read_api"]


@pytest.mark.parametrize(
    "words",
    [
        ["create", "admin"],
        ["create", "a/b"],
        ["reset-password", "nobody"],
        ["token", "nobody"],
        ["token", "admin", "--scopes", "sudo"],
        ["token", "admin", "--scopes", ""],
        ["token", "admin", "--days", "0"],
        ["token", "admin", "--days", "9999"],
    ],
)
def test_what_cannot_be_done_for_a_user_is_said(
    answers: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    program.main(["init", "--answers", str(answers)])
    assert program.main(["users", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_empty_instance_does_not_start(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["serve"]) == 2
    assert "python -m appliance init" in capsys.readouterr().err
    assert home.exists()


def _start(filled: FilledHome, port: int, metrics_port: int) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "CASEMATE_HOME": str(filled.home),
        "CASEMATE_DATABASE_URL": filled.url,
        "CASEMATE_INSTANCE_PORT": str(port),
        "CASEMATE_INSTANCE_METRICS_PORT": str(metrics_port),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "appliance", "serve"],
        env=environment,
        cwd=Path(__file__).parent.parent.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_served_instance_answers_logs_json_and_stops_when_told(filled: FilledHome) -> None:
    port, metrics_port = a_free_port(), a_free_port()
    url = f"http://127.0.0.1:{port}"
    with _start(filled, port, metrics_port) as process:
        with httpx.Client(base_url=url, trust_env=False) as client:
            wait_until(lambda: client.get("/-/readiness").is_success)
            headers = {"PRIVATE-TOKEN": filled.secret("token")}
            minted = client.post("/api/v4/ai/access_tokens", headers=headers)
            metrics = client.get(f"http://127.0.0.1:{metrics_port}/metrics")
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=15)[0]
    assert minted.status_code == 201
    assert "casemate_instance_requests_total" in metrics.text
    lines = [json.loads(line) for line in output.splitlines()]
    assert any(line["event"] == "request_answered" for line in lines)
    assert minted.json()["token"] not in output
    assert filled.secret("token") not in output


def test_a_taken_metrics_port_is_one_sentence(filled: FilledHome) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with _start(filled, a_free_port(), taken.getsockname()[1]) as process:
            output = process.communicate(timeout=15)[0]
    assert process.returncode == 2
    assert "CASEMATE_INSTANCE_METRICS_PORT" in output


def _lose(key: Path) -> None:
    key.unlink()


def _replace(key: Path) -> None:
    key.unlink()
    create_master_key(key)


def _cut(key: Path) -> None:
    key.write_bytes(key.read_bytes()[:20])


def _open_to_group(key: Path) -> None:
    key.chmod(0o640)


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (_lose, "master_key_missing"),
        (_replace, "master_key_wrong"),
        (_cut, "master_key_unreadable"),
        (_open_to_group, "master_key_unreadable"),
    ],
)
def test_a_start_without_the_right_master_key_says_so_and_shows_none_of_it(
    filled: FilledHome,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[Path], None],
    code: str,
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(filled.home))
    monkeypatch.setenv("CASEMATE_DATABASE_URL", filled.url)
    key = filled.home / "keys" / "master.key"
    text = key.read_text().strip()
    harm(key)
    assert program.main(["serve"]) == 2
    said = capsys.readouterr()
    assert f"[{code}]" in said.err
    assert said.err.count("\n") == 1
    assert text[:12] not in said.err + said.out
