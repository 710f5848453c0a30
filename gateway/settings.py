"""The gateway's settings; nothing else in the package reads the environment."""

import os
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Self

from pydantic import Field, IPvAnyNetwork, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.contract.addresses import DEFAULT_NETWORKS, Network


def default_home() -> Path:
    """Where an appliance keeps its state when nothing says otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/casemate")
    return Path.home() / ".local" / "share" / "casemate"


class Settings(BaseSettings):
    """Read once, in `__main__`, from variables that begin with `CASEMATE_`."""

    model_config = SettingsConfigDict(
        env_prefix="CASEMATE_", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    home: Path = Field(default_factory=default_home)
    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=5052, ge=1, le=65535)
    gateway_metrics_port: int = Field(default=8082, ge=1, le=65535)
    gateway_state: Path | None = None
    # Both or neither; they may be one file.
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    # The authorities that are believed when something is called over TLS, in place of the system's.
    ca_file: Path | None = None
    # A container engine mounts secrets with the owner and mode that they have on the host.
    secrets_mounted: bool = False
    allowed_networks: tuple[IPvAnyNetwork, ...] = tuple(
        ip_network(network) for network in DEFAULT_NETWORKS
    )
    # Whose X-Forwarded-For counts.
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    # Issuers beside the pinned instance, and the key that all gateways behind one GitLab share.
    issuers_file: Path | None = None
    user_token_key_file: Path | None = None
    # The models that this gateway brings, in place of the shipped ones, and where they are.
    definitions_file: Path | None = None
    upstreams_file: Path | None = None
    max_body_bytes: int = Field(default=10 * 1024 * 1024, ge=1024)
    key_set_refresh: timedelta = timedelta(seconds=60)
    key_set_cool_down: timedelta = timedelta(seconds=2)
    key_set_stale_budget: timedelta = timedelta(hours=24)
    # How often an instance that is one release older is asked.
    feed_interval: timedelta = timedelta(seconds=1)
    # None: what is known counts however old it is, for as long as the keys do.
    feed_strict_after: timedelta | None = None
    usage_interval: timedelta = timedelta(seconds=1)
    usage_spool_bytes: int = Field(default=256 * 1024 * 1024, ge=1024 * 1024)
    upstream_connect_timeout: timedelta = timedelta(seconds=3)
    longest_answer: timedelta = timedelta(minutes=30)

    @model_validator(mode="after")
    def _certificate_with_its_key(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            message = "TLS_CERT_FILE and TLS_KEY_FILE go together"
            raise ValueError(message)
        return self

    @property
    def state_folder(self) -> Path:
        """The folder of the gateway's keys, pin and snapshots."""
        return self.gateway_state or self.home / "gateway"

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks that a model endpoint or an instance may lie in."""
        return self.allowed_networks
