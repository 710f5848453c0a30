"""What the organisation keeps secret is nowhere in clear but where it must be."""

import base64
import json
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from appliance.access_tokens.rules import private_key
from appliance.access_tokens.tables import place_of
from appliance.storage.sealing import Sealer
from gateway.contract.feed import FEED_PATH, STREAM_PATH
from gateway.issuer.identity import load_identity
from gateway.issuer.pins import load_pin
from tests.conftest import wait_until
from tests.system.driver import Appliance

# Each of these files is made to hold one secret, mode 0600; nothing else may.
KEEPERS = {
    "model_server/api_key",
    "credentials/admin_password",
    "credentials/admin_token",
    "keys/master.key",
}
NOT_OURS = {"envs", "models"}
PATHS = (
    "/user", "/users", "/personal_access_tokens", "/ai/self_hosted_models", "/ai/gateways",
    "/ai/signing_keys", "/ai/settings", "/audit_events", "/ai/usage", "/features", "/groups",
    "/license", "/licenses", "/ai/add_on_purchases", "/version",
)  # fmt: skip


@dataclass
class Capture:
    """Secrets that were planted or made, and everything that was said while they were in use."""

    appliance: Appliance
    canaries: dict[str, list[bytes]] = field(default_factory=dict)
    said: dict[str, bytes] = field(default_factory=dict)

    def plant(self, name: str, secret: bytes | str) -> str:
        """Remembers a secret in every form in which it might turn up."""
        raw = secret.encode() if isinstance(secret, str) else secret
        self.canaries[name] = [raw, base64.b64encode(raw), raw.hex().encode()]
        return raw.decode("latin-1")

    def found_in(self, text: bytes) -> list[str]:
        return [
            name
            for name, forms in self.canaries.items()
            if any(form in text for form in forms if len(form) >= 12)
        ]

    def ask(self, method: str, url: str, **how: Any) -> httpx.Response:
        """Asks, and keeps what was answered, headers too."""
        answer = httpx.request(method, url, trust_env=False, timeout=60, **how)
        heads = json.dumps(dict(answer.headers)).encode()
        self.said[f"{len(self.said)} {method} {url}"] = heads + answer.content
        return answer

    def instance(self, method: str, path: str, pat: str, **how: Any) -> httpx.Response:
        url = f"{self.appliance.told['instance_url']}{path}"
        return self.ask(method, url, headers={"PRIVATE-TOKEN": pat}, **how)


@pytest.fixture(scope="module")
def capture(appliance: Appliance) -> Capture:
    """An organisation at work, with canaries for secrets."""
    made = Capture(appliance)
    for name in KEEPERS:
        made.plant(name, (appliance.home / name).read_text().strip())
    made.plant("signing key", _signing_key(appliance))
    _work(made)
    return made


def _signing_key(appliance: Appliance) -> bytes:
    """The secret exponent of the key that signs, as bytes."""
    sealer = Sealer.from_file(appliance.home / "keys" / "master.key")
    with closing(sqlite3.connect(appliance.home / "instance" / "casemate.db")) as database:
        query = "SELECT kid, sealed_private_key FROM signing_keys WHERE state = 'current'"
        ((kid, sealed),) = database.execute(query)
    key: RSAPrivateKey = private_key(sealer.unseal(sealed, place_of(kid)))
    secret = key.private_numbers().d
    return secret.to_bytes((secret.bit_length() + 7) // 8, "big")


def _work(capture: Capture) -> None:
    admin, told = capture.appliance.personal_token(), capture.appliance.told
    password = capture.plant("password", f"canary-password-{secrets.token_hex(8)}")
    profile = {"username": "canary", "name": "Canary", "email": "canary@example.org"}
    user = capture.instance(
        "POST", "/api/v4/users", admin, json={**profile, "password": password}
    ).json()
    # Refused: what was sent must not come back in the error, nor go to the log.
    capture.instance("POST", "/api/v4/users", admin, json={**profile, "password": password})
    capture.instance("POST", "/api/v4/users", admin, json={"username": password})
    wish = {"name": "canary", "scopes": ["ai_features"]}
    # The one answer that shows it, once.
    pat = httpx.post(
        f"{told['instance_url']}/api/v4/users/{user['id']}/personal_access_tokens",
        headers={"PRIVATE-TOKEN": admin},
        json=wish,
        trust_env=False,
    ).json()["token"]
    capture.plant("personal access token", pat)
    seated = capture.appliance.casemate("seats", "give", "duo_enterprise", "canary")
    assert seated.returncode == 0, seated.stdout + seated.stderr
    api_key = capture.plant("API key", f"canary-api-key-{secrets.token_hex(8)}")
    model = {
        "ref": "canary",
        "name": "Canary",
        "endpoint": told["model_url"],
        "identifier": told["model"],
        "api_key": api_key,
    }
    made = capture.instance("POST", "/api/v4/ai/self_hosted_models", admin, json=model).json()
    capture.instance("POST", "/api/v4/ai/self_hosted_models", admin, json=model)
    _ask_questions(capture, pat)
    for path in PATHS:
        capture.instance("GET", f"/api/v4{path}", admin)
    capture.instance("DELETE", f"/api/v4/users/{user['id']}", admin)
    capture.instance("DELETE", f"/api/v4/ai/self_hosted_models/{made['id']}", admin)
    capture.instance("GET", "/api/v4/user", pat)


def _ask_questions(capture: Capture, pat: str) -> None:
    """With the token and with the personal one, of a model that takes our key and of one not."""
    told = capture.appliance.told
    token = httpx.post(
        f"{told['instance_url']}/api/v4/ai/access_tokens",
        headers={"PRIVATE-TOKEN": pat},
        trust_env=False,
    ).json()["token"]
    capture.plant("access token", token)
    for bearer in (token, pat, pat[:-1] + "x", token[:-4] + "AAAA"):
        for ref in (told["model"], "canary"):
            body = {"model": ref, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
            headers = {"Authorization": f"Bearer {bearer}"}
            for path in ("/v1/chat/completions", "/v1/models"):
                method = "POST" if path.endswith("completions") else "GET"
                how: dict[str, Any] = {"json": body} if method == "POST" else {}
                capture.ask(method, f"{told['gateway_url']}{path}", headers=headers, **how)
        headers = {"Authorization": f"Bearer {bearer}"}
        capture.ask("POST", f"{told['instance_url']}/api/v4/ai/requests", headers=headers, json={})


def _feed(capture: Capture) -> Iterator[tuple[str, bytes]]:
    """What the gateway is fed, as it is on the wire and as it reads."""
    folder = capture.appliance.home / "gateway"
    identity, pin = load_identity(folder), load_pin(folder)
    assert pin is not None
    for path in (FEED_PATH, STREAM_PATH):
        bearer = identity.assertion(instance_id=pin.instance_id, now=time.time())
        headers = {"Authorization": f"Bearer {bearer}"}
        url = capture.appliance.told["instance_url"] + path
        with httpx.stream("GET", url, headers=headers, trust_env=False, timeout=30) as answer:
            assert answer.status_code == 200, path
            line = next(answer.iter_lines()).encode()
        document = json.loads(line)["document"]
        yield path, line + base64.urlsafe_b64decode(document + "==")


def test_no_answer_holds_a_secret(capture: Capture) -> None:
    assert len(capture.said) > 40
    leaks = {
        where: found for where, text in capture.said.items() if (found := capture.found_in(text))
    }
    assert leaks == {}


def test_the_feed_holds_no_secret_in_clear(capture: Capture) -> None:
    assert {path: capture.found_in(text) for path, text in _feed(capture)} == {
        FEED_PATH: [],
        STREAM_PATH: [],
    }


def test_no_process_shows_a_secret(capture: Capture) -> None:
    shown = [each.command.encode() for each in capture.appliance.processes()]
    assert len(shown) > 3
    assert [capture.found_in(command) for command in shown if capture.found_in(command)] == []


def test_neither_metrics_tell_a_secret(capture: Capture) -> None:
    for name in ("INSTANCE_METRICS_PORT", "GATEWAY_METRICS_PORT"):
        url = f"http://127.0.0.1:{capture.appliance.ports[name]}/metrics"
        assert capture.found_in(httpx.get(url, trust_env=False).content) == []


def test_no_file_holds_a_secret_but_the_one_made_for_it(capture: Capture) -> None:
    home = capture.appliance.home
    # The gateway's events are on their way to the instance.
    wait_until(lambda: "canary" in (home / "logs" / "gateway.log").read_text(), 10)
    leaks: dict[str, list[str]] = {}
    looked_at = 0
    for path in home.rglob("*"):
        name = str(path.relative_to(home))
        if path.is_file() and name.split("/", maxsplit=1)[0] not in NOT_OURS:
            looked_at += 1
            found = [each for each in capture.found_in(path.read_bytes()) if each != name]
            leaks |= {name: found} if found else {}
    assert looked_at > 15
    assert leaks == {}


def test_what_is_searched_for_would_be_found(capture: Capture, tmp_path: Path) -> None:
    planted = tmp_path / "log"
    planted.write_text(f"key={capture.canaries['API key'][0].decode()}")
    assert capture.found_in(planted.read_bytes()) == ["API key"]
    assert set(capture.canaries) >= {
        *KEEPERS, "API key", "password", "personal access token", "access token", "signing key",
    }  # fmt: skip
