"""What the instance is told by its environment; nothing else of it reads the environment."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gateway.contract.addresses import DEFAULT_NETWORKS, Network
from gateway.contract.peers import folded_network

Port = Annotated[int, Field(ge=1, le=65535)]


def default_home() -> Path:
    """Where the state lies when nobody says otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/casemate")
    return Path.home() / ".local" / "share" / "casemate"


class SettingsError(ValueError):
    """Settings that cannot be used; the text has one line for each problem, without the values."""


class Settings(BaseSettings):
    """Everything the instance can be told, as `CASEMATE_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="CASEMATE_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    home: Path = Field(default_factory=default_home)
    instance_host: str = "127.0.0.1"
    instance_port: Port = 8080
    instance_metrics_port: Port = 8083
    # Secret because a PostgreSQL URL carries its password.
    database_url: SecretStr | None = None
    # For a PostgreSQL URL that has none.
    database_password_file: Path | None = None
    master_key_file: Path | None = None
    # A container engine mounts secrets with the owner and mode that they have on the host; in the
    # container nobody else could read them.
    secrets_mounted: bool = False
    # Both or neither; they may be one file.
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    # The authorities that are believed when something is called over TLS, in place of the system's.
    ca_file: Path | None = None
    instance_public_url: str | None = None
    gateway_public_url: str = "http://127.0.0.1:5052"
    # Where the instance itself calls the gateway; without it, where clients do.
    ai_gateway_url: str | None = None
    # Whose X-Forwarded-For says who called.
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    # Of a request that is handed on to the gateway, which has the same limit.
    max_body_bytes: int = Field(default=10 * 1024 * 1024, ge=1024)
    # How long a key signs, and how long the published keys may be kept before they are asked again.
    signing_key_life: timedelta = Field(default=timedelta(days=90), ge=timedelta(seconds=1))
    key_set_max_age: timedelta = Field(default=timedelta(seconds=60), ge=timedelta())
    # How often the gateway is asked which models it brings.
    models_sync_interval: timedelta = Field(
        default=timedelta(minutes=10), ge=timedelta(seconds=1), le=timedelta(days=7)
    )
    # How many AI requests run at once in this process, in all and of one user, and how long one may
    # take from the moment in which it is accepted; editors wait for ten minutes.
    ai_workers: int = Field(default=8, ge=1, le=256)
    ai_workers_per_user: int = Field(default=4, ge=1, le=256)
    ai_answer_timeout: timedelta = Field(
        default=timedelta(minutes=10), ge=timedelta(seconds=1), le=timedelta(hours=1)
    )
    # For debugging: the mutation that asks returns when the answer is there.
    ai_actions_inline: bool = False
    # Sums by day, and single events; both end by themselves.
    usage_retention_days: int = Field(default=400, ge=1, le=36_500)
    usage_events_days: int = Field(default=90, ge=1, le=36_500)
    # Decoded below: the library's own decoding would hide all other problems.
    allowed_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = DEFAULT_NETWORKS

    @field_validator("allowed_networks", "trusted_proxies", mode="before")
    @classmethod
    def _json_list(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            message = 'must be a JSON list such as ["10.0.0.0/8"]'
            raise ValueError(message) from None

    @field_validator(
        "home",
        "master_key_file",
        "database_password_file",
        "tls_cert_file",
        "tls_key_file",
        "ca_file",
    )
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_absolute():
            message = "must be an absolute path"
            raise ValueError(message)
        return value

    @field_validator("instance_public_url", "gateway_public_url", "ai_gateway_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            message = "must be an http or https address"
            raise ValueError(message)
        return value.rstrip("/")

    @model_validator(mode="after")
    def _certificate_with_its_key(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            message = "TLS_CERT_FILE and TLS_KEY_FILE go together"
            raise ValueError(message)
        return self

    @property
    def database(self) -> str:
        """The database's URL with its password: never log it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home / 'instance' / 'casemate.db'}"

    @property
    def master_key_path(self) -> Path:
        """Where the master key lies."""
        return self.master_key_file or self.home / "keys" / "master.key"

    @property
    def issuer(self) -> str:
        """The instance's address as others see it, which is also the `iss` of its tokens."""
        scheme = "http" if self.tls_cert_file is None else "https"
        return self.instance_public_url or f"{scheme}://127.0.0.1:{self.instance_port}"

    @property
    def networks(self) -> tuple[Network, ...]:
        """Where model endpoints may lie."""
        return tuple(self.allowed_networks)

    @property
    def proxies(self) -> tuple[Network, ...]:
        """Whose X-Forwarded-For counts."""
        return tuple(folded_network(each) for each in self.trusted_proxies)

    @classmethod
    def from_environment(cls) -> Self:
        """Reads the settings.

        Raises:
            SettingsError: with every problem on a line of its own.
        """
        try:
            return cls()
        except ValidationError as cause:
            lines = [
                f"{'_'.join(('CASEMATE', *map(str, each['loc'][:1]))).upper()}: {each['msg']}"
                for each in cause.errors(include_input=False, include_url=False)
            ]
            raise SettingsError("\n".join(lines)) from None
