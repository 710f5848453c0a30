import io
import json
import os
import signal
import ssl
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gateway import __main__ as program
from tests.builders import a_feed_key, base64url
from tests.certificate_builders import NOW, Organisation
from tests.conftest import wait_until
from tests.fakes.own_files import AdminsFiles, a_model, an_upstream

PIN = {
    "instance_id": "i",
    "feed_key": base64url(a_feed_key().public_key().public_bytes_raw()),
    "issuer": "http://instance.test",
    "instance_url": "http://127.0.0.1:9",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    monkeypatch.setattr(program, "configure_logging", lambda: None)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, text: bytes = b"") -> int:
    monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    return program.main()


def test_keys_prints_the_public_halves_and_twice_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    assert run(monkeypatch, "keys") == 0
    assert run(monkeypatch, "keys") == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == second
    assert first.keys() == {"gateway_id", "signing_key", "sealing_key"}
    assert (home / "gateway" / "signing.pem").exists()


def test_pin_keeps_the_instance_it_reads(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    assert run(monkeypatch, "pin", text=json.dumps(PIN).encode()) == 0
    assert json.loads((home / "gateway" / "instance.json").read_text()) == PIN


def test_a_broken_pin_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    assert run(monkeypatch, "pin", text=b"{}") == 2
    assert "not a usable pin" in capsys.readouterr().err
    assert not (home / "gateway" / "instance.json").exists()


def test_wrong_settings_are_all_listed_without_their_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_GATEWAY_PORT", "seventy")
    monkeypatch.setenv("CASEMATE_ALLOWED_NETWORKS", '["10.0.0.0/99"]')
    assert run(monkeypatch, "keys") == 2
    errors = capsys.readouterr().err
    assert "CASEMATE_GATEWAY_PORT" in errors
    assert "CASEMATE_ALLOWED_NETWORKS" in errors
    assert "seventy" not in errors


def test_every_problem_of_the_gateways_own_models_is_listed_without_their_keys(
    home: Path,
) -> None:
    files = AdminsFiles(home)
    files.define(a_model(), a_model("BIG"))
    key = files.key_file("key-canary-1", mode=0o644)
    files.bind(an_upstream("other"), an_upstream(api_key_file=key))
    named = {
        "CASEMATE_DEFINITIONS_FILE": str(files.definitions),
        "CASEMATE_UPSTREAMS_FILE": str(files.upstreams),
    }
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "serve"],
        env={**os.environ, **named},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stderr
    assert done.returncode == 2
    assert "'BIG': is there already, as 'big'" in said
    assert "upstream of 'other': model: not one" in said
    assert "chmod 600" in said
    assert len(said.splitlines()) == 3
    assert "key-canary-1" not in said


def test_a_certificate_without_its_key_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_TLS_CERT_FILE", "/none.pem")
    assert run(monkeypatch, "keys") == 2
    assert "TLS_CERT_FILE and TLS_KEY_FILE go together" in capsys.readouterr().err


def ends_at(metrics: str) -> float:
    """What the gateway says of its certificate's end."""
    lines = httpx.get(metrics, trust_env=False).text.splitlines()
    name = "casemate_gateway_tls_certificate_expires_seconds "
    return next(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def test_the_process_speaks_tls_and_takes_a_new_certificate(
    home: Path, free_port: int, another_free_port: int
) -> None:
    ours = Organisation.make(home / "organisation")
    file = ours.issue_whole(home / "served.pem")
    environment = {
        **os.environ,
        "CASEMATE_HOME": str(home),
        "CASEMATE_GATEWAY_PORT": str(free_port),
        "CASEMATE_GATEWAY_METRICS_PORT": str(another_free_port),
        "CASEMATE_TLS_CERT_FILE": str(file),
        "CASEMATE_TLS_KEY_FILE": str(file),
    }
    trusted = ssl.create_default_context(cafile=ours.ca)
    url = f"https://127.0.0.1:{free_port}/monitoring/healthz"
    metrics = f"http://127.0.0.1:{another_free_port}/metrics"
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve"], env=environment, stdout=subprocess.PIPE
    ) as process:
        wait_until(lambda: httpx.get(url, trust_env=False, verify=trusted).is_success)
        with pytest.raises(httpx.TransportError):
            httpx.get(url.replace("https", "http"), trust_env=False)
        assert ends_at(metrics) == (NOW + timedelta(days=397)).timestamp()
        ours.issue_whole(file, now=NOW + timedelta(days=1))
        wait_until(lambda: ends_at(metrics) == (NOW + timedelta(days=398)).timestamp())
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    assert b"tls_certificate_replaced" in out


def test_the_process_serves_and_stops_when_asked(
    home: Path, free_port: int, another_free_port: int
) -> None:
    environment = {
        **os.environ,
        "CASEMATE_HOME": str(home),
        "CASEMATE_GATEWAY_PORT": str(free_port),
        "CASEMATE_GATEWAY_METRICS_PORT": str(another_free_port),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve"], env=environment, stdout=subprocess.PIPE
    ) as process:
        url = f"http://127.0.0.1:{free_port}/monitoring/healthz"
        wait_until(lambda: httpx.get(url, trust_env=False).is_success)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == ["gateway_started", "gateway_stopped"]
