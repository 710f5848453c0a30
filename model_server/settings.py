"""What an admin may set, read once from the environment (prefix CASEMATE_)."""

import os
import sys
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from model_server.errors import SettingsInvalidError


def default_home() -> Path:
    """Where an appliance keeps its state when CASEMATE_HOME does not say."""
    return Path("/var/lib/casemate" if os.geteuid() == 0 else "~/.local/share/casemate")


class Settings(BaseSettings):
    """The model server's settings; the paths left out lie below `home`."""

    model_config = SettingsConfigDict(
        env_prefix="CASEMATE_",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        protected_namespaces=(),
    )

    home: Path = Field(default_factory=default_home)
    model_host: str = "127.0.0.1"
    model_port: int = Field(default=8000, ge=1, le=65535)
    model_server_state: Path | None = None
    model_api_key_file: Path | None = None
    models_file: Path | None = None
    # A container engine mounts secrets with the owner and mode that they have on the host; in the
    # container nobody else could read them.
    secrets_mounted: bool = False
    # What starts one engine; the plan's arguments follow. A patched vLLM is named here.
    model_command: tuple[str, ...] = (
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
    )
    # Loading a large model from a slow disk takes many minutes; a hung start must still end.
    model_start_limit_s: float = Field(default=1800.0, gt=0)
    model_gpu_memory_fraction: float = Field(default=0.9, gt=0, lt=1)

    @property
    def state_folder(self) -> Path:
        """Holds the state and vLLM's caches, and what the two properties below do not place."""
        return self.model_server_state or self.home.expanduser() / "model_server"

    @property
    def egress_folder(self) -> Path:
        """Where what was refused to leave the machine is kept."""
        return self.home.expanduser() / "egress"

    @property
    def api_key_file(self) -> Path:
        """Holds the key that clients of the models must show."""
        return self.model_api_key_file or self.state_folder / "api_key"

    @property
    def models_list(self) -> Path:
        """Names the models to serve."""
        return self.models_file or self.state_folder / "models.json"


def read_settings() -> Settings:
    """Reads the environment.

    Raises:
        SettingsInvalidError: with every problem, and no value.
    """
    try:
        return Settings()
    except ValidationError as cause:
        problems = tuple(
            f"CASEMATE_{str(problem['loc'][0]).upper()}: {problem['msg']}"
            for problem in cause.errors(include_input=False, include_url=False)
        )
        raise SettingsInvalidError(problems) from cause
