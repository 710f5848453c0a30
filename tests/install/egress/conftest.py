import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from install.config import Config, save
from install.places import Places

Keep = Callable[..., None]
TO = "198.51.100.7"


@pytest.fixture
def home(places: Places, config: Config) -> Path:
    """An appliance that was set up and does not run."""
    save(places.config, config)
    return places.home


@pytest.fixture
def keep(home: Path) -> Keep:
    """Puts a line into a service's ledger."""

    def append(name: str, /, *, older: bool = False, **more: Any) -> None:
        path = home / "egress" / f"{name}.jsonl{'.1' if older else ''}"
        path.parent.mkdir(exist_ok=True)
        line = {
            "time": "2026-03-04T05:06:07.000+00:00",
            "service": name,
            "pid": 7,
            "what": "connect",
            "host": TO,
            "port": 443,
            "outcome": "refused",
            "by": ["vllm.usage:report"],
            **more,
        }
        with path.open("a") as ledger:
            ledger.write(json.dumps(line) + "\n")

    return append
