"""How each peer is started: as fast as its own documentation says, with nothing phoning home."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.peers.environments import node_environment, python_environment

KEY = "sk-bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a peer is told to listen and to forward to; `folder` is its own, for what it writes."""

    port: int
    spare_port: int
    upstream_port: int
    folder: Path

    @property
    def upstream(self) -> str:
        return f"http://127.0.0.1:{self.upstream_port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A command ready to start, what it needs to be told in its environment, and by its clients."""

    command: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A peer; a slow one gets the lower of the fixed rates and the fewer of the paced streams."""

    name: str
    version: str
    prepare: Callable[[Place, Path], Program]
    is_slow: bool = False


def _litellm(place: Place, cache: Path) -> Program:
    model = {"model": "openai/demo", "api_base": f"{place.upstream}/v1", "api_key": "unused"}
    told = {
        "model_list": [{"model_name": "demo", "litellm_params": model}],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False},
    }
    config = place.folder / "litellm.yaml"
    config.write_text(json.dumps(told))  # JSON is YAML
    listen = ["--host", "127.0.0.1", "--port", str(place.port), "--num_workers", "1"]
    program = str(python_environment("litellm", cache) / "litellm")
    return Program(
        command=[program, "--config", str(config), *listen, "--telemetry", "False"],
        env={
            "LITELLM_LOG": "ERROR",
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        },
    )


def _vllm_router(place: Place, cache: Path) -> Program:
    listen = ["--host", "127.0.0.1", "--port", str(place.port)]
    metrics = ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(place.spare_port)]
    program = str(python_environment("vllm-router", cache) / "vllm-router")
    return Program(
        command=[
            program,
            *listen,
            *metrics,
            *("--worker-urls", place.upstream),
            *("--policy", "round_robin"),
            *("--max-concurrent-requests", "4096"),
            *("--log-level", "error"),
        ]
    )


def _portkey(place: Place, cache: Path) -> Program:
    package = node_environment("portkey", cache) / "@portkey-ai" / "gateway"
    started = str(package / "build" / "start-server.js")
    return Program(
        command=["node", started, f"--port={place.port}", "--headless"],
        env={"NODE_ENV": "production", "PATH": os.environ["PATH"]},
        headers={
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"{place.upstream}/v1",
        },
    )


PEERS = (
    Peer(name="vllm-router", version="0.1.17", prepare=_vllm_router),
    Peer(name="portkey", version="1.15.2", prepare=_portkey),
    Peer(name="litellm", version="1.106.0", prepare=_litellm, is_slow=True),
)
