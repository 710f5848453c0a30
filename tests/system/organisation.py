"""A real instance and a real gateway before a mock endpoint, and the people who hold tokens."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import a_free_port
from tests.licence_builders import SigningAuthority, a_line

SEATS = 200
START_TIMEOUT_S = 60.0
REFUSED = 400


@dataclass(slots=True, kw_only=True)
class Organisation:
    """One home with its processes; `told` is added to the environment of both services."""

    home: Path
    told: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(
        default_factory=lambda: {
            name: a_free_port()
            for name in ("instance", "instance_metrics", "gateway", "gateway_metrics", "mock")
        }
    )
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, repr=False)

    @property
    def instance_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['instance']}"

    def found(self) -> None:
        """Makes keys and database, registers the gateway, and licenses `SEATS` seats."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = json.loads(self._do("gateway", "keys"))
        (self.home / "model_key").write_text("bench-model-key\n")
        answers = self.home / "answers.json"
        answers.write_text(json.dumps(self._answers(keys)))
        made = json.loads(self._do("appliance", "init", "--answers", str(answers)))
        pin = {name: made[name] for name in ("instance_id", "feed_key", "issuer")}
        pin["instance_url"] = self.instance_url
        self._do("gateway", "pin", given=json.dumps(pin).encode())
        authority = SigningAuthority(is_demo=True)
        licence = self.home / "licence.json"
        lines = (
            a_line(quantity=SEATS),
            a_line("duo_self_hosted", SEATS, accompanies="duo_enterprise"),
        )
        licence.write_text(authority.licence(*lines, instance_id=made["instance_id"]))
        key = f"--authority-key={authority.public}"
        self._do("appliance", "licence", "add", key, "--demo", "--file", str(licence))

    def start(self, name: str) -> None:
        """Starts `instance`, `gateway` or `mock`."""
        module, *words = {
            "instance": ("appliance", "serve"),
            "gateway": ("gateway", "serve"),
            "mock": ("tests.bench.mock_endpoint", str(self.ports["mock"])),
        }[name]
        with (self.home / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Kills a process that `start` made, as a power cut would."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def end(self) -> None:
        """Stops everything that runs."""
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            if process.poll() is None:
                process.kill()
                process.wait()

    def admin(self) -> "Admin":
        """The admin, as the API knows them."""
        token = (self.home / "admin_token").read_text().strip()
        return Admin(
            httpx.AsyncClient(
                base_url=self.instance_url,
                headers={"PRIVATE-TOKEN": token},
                trust_env=False,
                timeout=10,
            )
        )

    async def until_ready(self) -> None:
        """Waits until the gateway can check tokens and knows its models."""
        url = f"http://127.0.0.1:{self.ports['gateway']}/monitoring/ready"
        await self._until(url)

    async def _until(self, url: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        async with httpx.AsyncClient(trust_env=False) as http:
            while True:
                with suppress(httpx.TransportError):
                    if (await http.get(url)).status_code < REFUSED:
                        return
                if time.monotonic() > deadline:
                    message = f"{url} is not ready after {START_TIMEOUT_S:.0f} s"
                    raise TimeoutError(message)
                await asyncio.sleep(0.1)

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CASEMATE")}
        ports = {
            "CASEMATE_INSTANCE_PORT": self.ports["instance"],
            "CASEMATE_INSTANCE_METRICS_PORT": self.ports["instance_metrics"],
            "CASEMATE_GATEWAY_PORT": self.ports["gateway"],
            "CASEMATE_GATEWAY_METRICS_PORT": self.ports["gateway_metrics"],
        }
        own = {name: str(port) for name, port in ports.items()}
        return {**kept, "CASEMATE_HOME": str(self.home), **own, **self.told}

    def _do(self, module: str, *words: str, given: bytes = b"") -> bytes:
        done = subprocess.run(
            [sys.executable, "-m", module, *words],
            env=self._environment(),
            input=given,
            capture_output=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            message = f"{module} {words[0]} failed: {done.stderr.decode()}"
            raise RuntimeError(message)
        return done.stdout

    def _answers(self, keys: dict[str, str]) -> dict[str, Any]:
        return {
            "admin": {
                "username": "admin",
                "name": "Administrator",
                "email": "admin@example.org",
                "password_file": str(self.home / "admin_password"),
                "token_file": str(self.home / "admin_token"),
            },
            "gateway": {
                "name": "bench",
                "signing_key": keys["signing_key"],
                "sealing_key": keys["sealing_key"],
            },
            "model": {
                "ref": "demo",
                "name": "Demo",
                "family": "general",
                "identifier": "demo",
                "endpoint": f"http://127.0.0.1:{self.ports['mock']}/v1",
                "api_key_file": str(self.home / "model_key"),
            },
        }


@dataclass(frozen=True, slots=True)
class Person:
    """A user with a seat and a personal access token."""

    id: int
    pat: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Admin:
    """What the bench asks of the instance; a refusal is an error."""

    http: httpx.AsyncClient

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON; None when it has none."""
        answer = await self.http.request(method, f"/api/v4{path}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def hire(self, name: str) -> Person:
        """A new user with a seat and a personal access token."""
        profile = {"username": name, "name": name, "email": f"{name}@example.org"}
        user = await self.ask("POST", "/users", profile)
        await self.give_seat(user["id"])
        _, pat = await self.give_pat(user["id"])
        return Person(user["id"], pat)

    async def give_pat(self, user_id: int) -> tuple[int, str]:
        """The number and the text of a new personal access token."""
        wish = {"name": "bench", "scopes": ["ai_features"]}
        made = await self.ask("POST", f"/users/{user_id}/personal_access_tokens", wish)
        return made["id"], made["token"]

    async def give_seat(self, user_id: int) -> None:
        await self._seats("POST", user_id)

    async def take_seat(self, user_id: int) -> None:
        await self._seats("DELETE", user_id)

    async def _seats(self, method: str, user_id: int) -> None:
        purchases = await self.ask("GET", "/ai/add_on_purchases")
        purchase = next(each for each in purchases if each["add_on"] == "duo_enterprise")
        path = f"/ai/add_on_purchases/{purchase['id']}/seats"
        await self.ask(method, path, {"user_ids": [user_id]})

    async def mint(self, pat: str) -> str:
        """A fresh access token of who holds `pat`."""
        answer = await self.http.post("/api/v4/ai/access_tokens", headers={"PRIVATE-TOKEN": pat})
        answer.raise_for_status()
        token: str = answer.json()["token"]
        return token
