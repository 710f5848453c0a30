"""The gateway's settings; nothing else in the package reads the environment."""

import os
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

from pydantic import Field, IPvAnyNetwork
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
    allowed_networks: tuple[IPvAnyNetwork, ...] = tuple(
        ip_network(network) for network in DEFAULT_NETWORKS
    )
    max_body_bytes: int = Field(default=10 * 1024 * 1024, ge=1024)
    key_set_refresh: timedelta = timedelta(seconds=60)
    key_set_cool_down: timedelta = timedelta(seconds=2)
    key_set_stale_budget: timedelta = timedelta(hours=24)
    feed_interval: timedelta = timedelta(seconds=1)
    usage_interval: timedelta = timedelta(seconds=1)
    usage_spool_bytes: int = Field(default=256 * 1024 * 1024, ge=1024 * 1024)
    upstream_connect_timeout: timedelta = timedelta(seconds=3)
    longest_answer: timedelta = timedelta(minutes=30)

    @property
    def state_folder(self) -> Path:
        """The folder of the gateway's keys, pin and snapshots."""
        return self.gateway_state or self.home / "gateway"

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks that a model endpoint or an instance may lie in."""
        return self.allowed_networks
