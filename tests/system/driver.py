"""Drives one real appliance through its own commands, and looks at what the kernel says of it."""

import json
import os
import ssl
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from openai import DefaultHttpxClient, OpenAI

from tests.conftest import a_free_port, wait_until

CLONE = Path(__file__).parent.parent.parent

# The interpreter that the tests' own environment was made from, as a user has it.
PYTHON = Path(sys.base_prefix) / "bin" / "python3"
UP_TIMEOUT_S = 1200
COMMAND_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Seen:
    """One process that belongs to an appliance."""

    pid: int
    parent: int
    command: str


@dataclass(slots=True, kw_only=True)
class Appliance:
    """One home with ports of its own; `told` is what the last `up --json` said."""

    home: Path
    ports: dict[str, int] = field(
        default_factory=lambda: {
            name: a_free_port()
            for name in (
                "INSTANCE_PORT",
                "GATEWAY_PORT",
                "MODEL_PORT",
                "INSTANCE_METRICS_PORT",
                "GATEWAY_METRICS_PORT",
            )
        }
    )
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a person's shell would hold, with this home and these ports."""
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV", "CASEMATE"))
        }
        kept.pop("VIRTUAL_ENV", None)
        ports = {f"CASEMATE_{name}": str(port) for name, port in self.ports.items()}
        return {**kept, "CASEMATE_HOME": str(self.home), **ports}

    def run(
        self, *command: str | Path, timeout_s: float = COMMAND_TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(each) for each in command],
            cwd=CLONE,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def up(self, *options: str) -> dict[str, Any]:
        """`up --json` from the clone; what it told."""
        done = self.run(PYTHON, "-m", "install", "up", "--json", *options, timeout_s=UP_TIMEOUT_S)
        assert done.returncode == 0, done.stdout + done.stderr
        self.told = json.loads(done.stdout.splitlines()[-1])
        return self.told

    def casemate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The installed program."""
        return self.run(self.home / "envs" / "services" / "bin" / "casemate", *arguments)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.casemate("status", "--json").stdout)
        return found

    def pid_of(self, service: str) -> int:
        """The process that the supervisor runs as this service."""
        services = {each["name"]: each["pid"] for each in self.status()["services"]}
        pid: int = services[service]
        return pid

    def processes(self) -> list[Seen]:
        """Everything that runs for this home: by its command, its environment or its libraries."""
        marks = (str(self.home).encode() + b"/", f"CASEMATE_HOME={self.home}".encode())
        seen = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    about = [(entry / name).read_bytes() for name in ("cmdline", "environ", "maps")]
                    rest = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if rest[0] not in "ZX" and any(mark in text for mark in marks for text in about):
                    command = about[0].replace(b"\0", b" ").decode(errors="replace")
                    seen.append(Seen(int(entry.name), int(rest[1]), command))
        return seen

    @property
    def trusted(self) -> ssl.SSLContext | bool:
        """What a client must believe: this appliance's own authority, where it speaks TLS."""
        path = self.told.get("ca_file")
        return ssl.create_default_context(cafile=path) if path else True

    def personal_token(self) -> str:
        return Path(self.told["token_file"]).read_text().strip()

    def access_token(self) -> str:
        answer = httpx.post(
            f"{self.told['instance_url']}/api/v4/ai/access_tokens",
            headers={"PRIVATE-TOKEN": self.personal_token()},
            trust_env=False,
            verify=self.trusted,
        )
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["token"]
        return token

    def client(self) -> OpenAI:
        """The openai library, as a user sets it up."""
        http = DefaultHttpxClient(trust_env=False, verify=self.trusted)
        base_url = f"{self.told['gateway_url']}/v1"
        return OpenAI(
            base_url=base_url, api_key=self.access_token(), http_client=http, max_retries=0
        )

    def question(self, token: str, **changes: Any) -> httpx.Response:
        """One question straight to the gateway."""
        body = {
            "model": self.told["model"],
            "messages": [{"role": "user", "content": "Say yes."}],
            "max_tokens": 4,
            **changes,
        }
        return httpx.post(
            f"{self.told['gateway_url']}/v1/chat/completions",
            headers={"Authorization": f"Bearer {token}"},
            json=body,
            timeout=60,
            trust_env=False,
            verify=self.trusted,
        )

    def wait_until_answered(self, token: str, within_s: float) -> None:
        wait_until(lambda: self.question(token).status_code == 200, within_s)
