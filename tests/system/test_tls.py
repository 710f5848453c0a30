"""`up --tls` on an appliance that ran without, and clients that believe nothing but its authority.

The tests of this module build on each other, in their order.
"""

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.certificate_builders import Organisation
from tests.conftest import wait_until
from tests.system.driver import Appliance


@pytest.fixture(scope="module")
def old_token(appliance: Appliance) -> str:
    """Minted before there was TLS."""
    return appliance.access_token()


@pytest.fixture(scope="module")
def secured(appliance: Appliance, old_token: str) -> Iterator[Appliance]:
    """The shared appliance with TLS; without, when the module ends."""
    assert old_token
    model_server = appliance.pid_of("model-server")
    appliance.up("--tls", "--tls-name", "box.test")
    assert appliance.pid_of("model-server") == model_server
    yield appliance
    appliance.up("--no-tls", "--ca", "")


def curl(secured: Appliance, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return secured.run("curl", "-sS", "--fail-with-body", "--noproxy", "*", *words, url)


def addresses(secured: Appliance) -> list[str]:
    return [secured.told["instance_url"], secured.told["gateway_url"]]


def serial_at(secured: Appliance, url: str) -> str:
    context = ssl.create_default_context(cafile=secured.told["ca_file"])
    at = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
    plain = socket.create_connection(at)
    with context.wrap_socket(plain, server_hostname=at[0]) as opened:
        return str((opened.getpeercert() or {})["serialNumber"])


def _is_other(secured: Appliance, url: str, serial: str) -> bool:
    return serial_at(secured, url) != serial


def test_the_first_question_went_over_https(secured: Appliance) -> None:
    assert secured.told["answer"].strip()
    assert all(url.startswith("https://127.0.0.1:") for url in addresses(secured))


def test_tokens_from_before_go_on(secured: Appliance, old_token: str) -> None:
    assert secured.question(old_token).status_code == 200


def test_strict_verification_accepts_both(secured: Appliance) -> None:
    for url in addresses(secured):
        for check in (("-verify_ip", "127.0.0.1"), ("-verify_hostname", "box.test")):
            done = secured.run(
                *("openssl", "s_client", "-brief", "-x509_strict", "-verify_return_error"),
                *("-CAfile", secured.told["ca_file"], "-no-CApath", "-no-CAstore", *check),
                *("-connect", urlsplit(url).netloc),
            )
            assert "Verification: OK" in done.stdout + done.stderr
            assert done.returncode == 0


def test_curl_with_our_authority_alone_reaches_everything(secured: Appliance) -> None:
    instance, gateway = addresses(secured)
    ours = ("--cacert", secured.told["ca_file"])
    assert curl(secured, f"{instance}/-/readiness", *ours).returncode == 0
    personal = ("-H", f"PRIVATE-TOKEN: {secured.personal_token()}", "-X", "POST")
    minted = json.loads(
        curl(secured, f"{instance}/api/v4/ai/access_tokens", *ours, *personal).stdout
    )
    assert minted["base_url"] == gateway
    body = {"model": secured.told["model"], "prompt": "Yes or", "max_tokens": 2}
    bearer = ("-H", f"Authorization: Bearer {minted['token']}", "-d", json.dumps(body))
    kind = ("-H", "Content-Type: application/json")
    asked = curl(secured, f"{gateway}/v1/completions", *ours, *bearer, *kind)
    assert json.loads(asked.stdout)["choices"], asked.stdout


def test_without_our_authority_or_without_tls_nothing_answers(secured: Appliance) -> None:
    for url in addresses(secured):
        # 60: the peer's certificate cannot be authenticated.
        assert curl(secured, url).returncode == 60
        with pytest.raises(httpx.TransportError):
            httpx.get(url.replace("https:", "http:"), trust_env=False)


def test_the_openai_library_streams(secured: Appliance) -> None:
    with secured.client() as client:
        stream = client.chat.completions.create(
            model=secured.told["model"],
            messages=[{"role": "user", "content": "Say yes."}],
            max_tokens=4,
            stream=True,
        )
        assert list(stream)


def test_the_gateway_hears_of_changes_over_https(secured: Appliance) -> None:
    added = secured.casemate(
        "models", "add", "near", "--endpoint", "http://127.0.0.1:9/v1", "--identifier", "near"
    )
    assert added.returncode == 0, added.stderr
    with secured.client() as client:
        wait_until(lambda: "near" in {each.id for each in client.models.list()})
        assert secured.casemate("models", "remove", "near").returncode == 0
        wait_until(lambda: "near" not in {each.id for each in client.models.list()})


def test_the_installed_program_goes_on(secured: Appliance) -> None:
    for words in (("ask", "Say yes.", "--max-tokens", "4"), ("models", "list"), ("token",)):
        done = secured.casemate(*words)
        assert done.returncode == 0, done.stderr
    shown = secured.status()
    assert [each["name"] for each in shown["certificates"]] == ["instance", "gateway", "authority"]
    assert "box.test" in shown["certificates"][0]["names"]


def test_a_second_up_changes_no_key(secured: Appliance) -> None:
    before = [serial_at(secured, url) for url in addresses(secured)]
    assert secured.up()["restarted"] == []
    assert [serial_at(secured, url) for url in addresses(secured)] == before


def test_a_renewed_certificate_is_served_without_a_restart(secured: Appliance) -> None:
    pids = [secured.pid_of(name) for name in ("instance", "gateway")]
    before = [serial_at(secured, url) for url in addresses(secured)]
    with secured.client() as client:
        stream = client.chat.completions.create(
            model=secured.told["model"],
            messages=[{"role": "user", "content": "Count."}],
            max_tokens=100,
            stream=True,
        )
        assert next(stream).id
        assert secured.casemate("tls", "renew").returncode == 0
        assert list(stream)
    for url, old in zip(addresses(secured), before, strict=True):
        wait_until(partial(_is_other, secured, url, old))
    assert [secured.pid_of(name) for name in ("instance", "gateway")] == pids


def test_the_organisation_s_certificates_are_taken(secured: Appliance, tmp_path: Path) -> None:
    ours = Organisation.make(tmp_path / "organisation")
    cert, key = ours.issue("box", "127.0.0.1", "box.test")
    files = ("--cert", cert, "--key", key, "--ca", ours.ca)
    told = secured.up(*map(str, files))
    assert told["restarted"] == ["instance", "gateway"]
    assert Path(told["ca_file"]).read_text() == ours.ca.read_text()
    assert secured.question(secured.access_token()).status_code == 200
    cert.write_text(cert.read_text()[:-40])
    refused = secured.casemate("tls", "renew", "--json")
    assert json.loads(refused.stdout)["error"]["code"] == "tls_key_does_not_fit"
    ours.issue("box", "127.0.0.1", "box.test", "more.test")
    assert secured.casemate("tls", "renew").returncode == 0
    assert secured.casemate("ask", "Say yes.", "--max-tokens", "4").returncode == 0


def test_a_certificate_that_cannot_be_used_stops_nothing(
    secured: Appliance, tmp_path: Path
) -> None:
    other = Organisation.make(tmp_path / "other")
    cert, key = other.issue("box", "192.0.2.1")
    files = ("--cert", cert, "--key", key, "--ca", other.ca)
    done = secured.casemate("up", *map(str, files))
    assert done.returncode == 2
    assert "covers none of box.test, 127.0.0.1" in done.stderr
    assert secured.status()["state"] == "ready"
