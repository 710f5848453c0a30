"""Ways out of a container, tried from within it, and how each ended."""

import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.system.containers.outside import ADDRESS, FAR, FAR_V6, PORT

PROBE = (Path(__file__).parent / "probe.py").read_text()

# A reset or an unreachable port is an answer too: something was reached.
REACHED = {"through", "refused", "closed", "empty"}
NAME = "some.name.outside.test"

Attempt = dict[str, Any]
Exec = Callable[[list[str]], subprocess.CompletedProcess[str]]


def attempt(way: str, host: str, port: int = PORT, name: str = NAME) -> Attempt:
    """One try; its label tells it apart."""
    label = f"{way} {name if way == 'resolver' else host}"
    if way in {"tcp", "udp"}:
        label = f"{label} {port}"
    return {"label": label, "way": way, "host": host, "port": port, "name": name}


def to_the_outside(name: str = NAME) -> list[Attempt]:
    """Every protocol, to an address on the cable and to one beyond it, old and new."""
    tries = [
        attempt(way, host, name=name)
        for host in (ADDRESS, FAR, FAR_V6)
        for way in ("tcp", "udp", "dns", "dns_tcp", "ping")
    ]
    return [*tries, attempt("resolver", "", name=name)]


def to_addresses(addresses: Iterable[str], port: int = PORT) -> list[Attempt]:
    """A service that listens everywhere on the host, by each of the host's addresses."""
    return [attempt(way, each, port) for each in addresses for way in ("tcp", "udp")]


def probe(execute: Exec, attempts: list[Attempt]) -> dict[str, str]:
    """How each attempt ended; `execute` runs a command line within the container."""
    done = execute(["python3", "-c", PROBE, json.dumps(attempts)])
    outcomes: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    assert outcomes.keys() == {each["label"] for each in attempts}
    return outcomes


def reached(outcomes: dict[str, str]) -> dict[str, str]:
    """The attempts that met an answer of any kind."""
    return {
        label: outcome
        for label, outcome in outcomes.items()
        if outcome in REACHED or (label.startswith("resolver") and outcome[:1].isdigit())
    }
