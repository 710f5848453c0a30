"""The instance's own program in a container of a moment: on its volume, and on no network.

Nothing else need run, and what runs goes on; so a new release's program can try itself on the live
volume. Only PostgreSQL, which is reached over it, takes the network that leads nowhere else.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from install.config import Config
from install.containers.carried import docker
from install.containers.engine import Engine
from install.containers.machine import project_name
from install.containers.project import secrets_folder
from install.places import Places

DATABASE_URL = "CASEMATE_DATABASE_URL"
SECRETS = "/run/secrets"
# As compose.yaml has them for the instance.
ENVIRONMENT = {
    "CASEMATE_SECRETS_MOUNTED": "true",
    "CASEMATE_MASTER_KEY_FILE": f"{SECRETS}/master_key",
    "CASEMATE_DATABASE_PASSWORD_FILE": f"{SECRETS}/postgres_password",
}
LIMITS = (
    *("--pull", "never", "--user", "10001:10001", "--read-only"),
    *("--tmpfs", "/tmp:mode=1777,size=256m"),  # noqa: S108  # inside the container
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges:true", "--init"),
    *("--pids-limit", "256", "--memory", "1g", "--log-driver", "none"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Runs an instance's image on the data of one home."""

    places: Places
    config: Config
    engine: Engine
    image: str

    @property
    def has_data(self) -> bool:
        """Whether there is a volume with something to work on."""
        return docker(self.engine, "volume", "inspect", self._volume).returncode == 0

    @property
    def _volume(self) -> str:
        return f"{project_name(self.places)}_instance-state"

    def command(self, words: Sequence[str]) -> list[str]:
        """The engine's command for `python3 -m appliance WORDS`; its stdin is handed on."""
        url = self.config.handed_on.get(DATABASE_URL, "")
        is_remote = url.startswith("postgres")
        network = f"{project_name(self.places)}_inside" if is_remote else "none"
        command = ["docker", "run", "--rm", "--interactive", "--network", network, *LIMITS]
        command += ["--volume", f"{self._volume}:/var/lib/casemate"]
        for name in ("master_key", "postgres_password"):
            command += ["--volume", f"{secrets_folder(self.places) / name}:{SECRETS}/{name}:ro"]
        for name, value in ENVIRONMENT.items():
            command += ["--env", f"{name}={value}"]
        # By its name alone, so that its value is in no argument.
        command += ["--env", DATABASE_URL] if url else []
        return [*command, "--entrypoint", "python3", self.image, "-m", "appliance", *words]

    def environment(self) -> dict[str, str]:
        """What the command finds in its environment."""
        own = {name: value for name, value in os.environ.items() if name != DATABASE_URL}
        url = self.config.handed_on.get(DATABASE_URL)
        told = {DATABASE_URL: url} if url else {}
        return {**own, "DOCKER_HOST": self.engine.address, **told}

    def run(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Runs it to its end; what it said is kept."""
        return subprocess.run(
            self.command(words),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
