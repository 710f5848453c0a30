"""What may be in a support file: this list, and nothing beside it."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from install.doctor.box import Box
from install.doctor.findings import as_dict
from install.doctor.hops import HOPS
from install.doctor.surroundings import figures
from install.doctor.walking import walk
from install.errors import InstallError
from install.logs import LOGS, last_lines
from install.release import release
from install.services import NAMES
from install.slots import slot

MOST_BYTES = 2**20
COMMAND_TIMEOUT_S = 20.0
JOURNAL_LINES = 500
# What `up` was told, without paths of keys and without what is handed on as it is.
SETTINGS = (
    *("listen", "instance_port", "gateway_port", "model_port", "instance_metrics_port"),
    *("gateway_metrics_port", "family", "device", "bare", "containers", "systemd", "gpus"),
    *("tls", "tls_names", "base_image", "model_base_image", "model_server_image"),
)
PACKAGES = ("litestar", "uvicorn", "sqlalchemy", "cryptography", "httpx", "openai", "supervisor")
RECEIPT_FIELDS = ("number", "kind", "at", "from", "to", "release", "bundle")
COUNTED = {
    "models": "/api/v4/ai/self_hosted_models?per_page=100",
    "gateways": "/api/v4/ai/gateways",
    "licences": "/api/v4/licenses",
    "signing_keys": "/api/v4/ai/signing_keys",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of the support file, by name; `about` says what it is."""

    name: str
    about: str
    read: Callable[[Box], str]


def parts(lines: int) -> Iterator[Part]:
    """Everything that is gathered; of each log the last `lines`."""
    yield Part(name="versions.json", about="releases", read=_versions)
    yield Part(name="machine.json", about="kernel, processor, memory, disk, GPUs", read=_machine)
    yield Part(name="config.json", about="settings without secrets", read=_settings)
    yield Part(name="status.json", about="what runs", read=_status)
    yield Part(name="doctor.json", about="each hop of the way", read=_doctor)
    yield Part(name="slot.json", about="the program in use", read=_slot)
    yield Part(name="journal.jsonl", about="changes from slot to slot", read=_journal)
    yield Part(name="receipts.json", about="what came in", read=_receipts)
    yield Part(name="database.json", about="the database's form", read=_database)
    yield Part(name="counts.json", about="how many there are of what", read=_counts)
    yield Part(name="metrics.txt", about="what instance and gateway count", read=figures)
    yield Part(name="services.txt", about="units or containers", read=_services)
    for name in LOGS:
        yield Part(
            name=f"logs/{name}.log",
            about=f"the last {lines} lines",
            read=lambda box, name=name: _log(box, name, lines),  # type: ignore[misc]  # bound now
        )


def read(part: Part, box: Box) -> str:
    """What a part holds, its end where it is too long; why not, where it cannot be had."""
    try:
        text = part.read(box)
    except (InstallError, OSError, ValueError, KeyError, TypeError) as error:
        sentence = error.sentence if isinstance(error, InstallError) else type(error).__name__
        return json.dumps({"not_read": sentence}) + "\n"
    data = text.encode()
    if len(data) <= MOST_BYTES:
        return text
    return data[-MOST_BYTES:].partition(b"\n")[2].decode("utf-8", "replace")


def _json(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True, default=str) + "\n"


def _versions(_: Box) -> str:
    packages: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = None
    return _json({"casemate": release(), "python": platform.python_version(), "packages": packages})


def _machine(box: Box) -> str:
    disk = shutil.disk_usage(box.places.home)
    return _json(
        {
            "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
            "libc": " ".join(platform.libc_ver()),
            "processors": os.cpu_count(),
            "processor": _first(Path("/proc/cpuinfo"), "model name"),
            "memory": _first(Path("/proc/meminfo"), "MemTotal"),
            "memory_free": _first(Path("/proc/meminfo"), "MemAvailable"),
            "disk_bytes": disk.total,
            "disk_free_bytes": disk.free,
            "gpus": _said(
                ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv"]
            ),
        }
    )


def _first(path: Path, name: str) -> str | None:
    lines = path.read_text("utf-8", "replace").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def _said(command: list[str]) -> list[str]:
    program = shutil.which(command[0])
    if program is None:
        return []
    try:
        done = subprocess.run(
            [program, *command[1:]],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"{command[0]} did not answer: {type(error).__name__}"]
    return done.stdout.splitlines()


def _settings(box: Box) -> str:
    told = {name: getattr(box.settings, name, None) for name in SETTINGS}
    # Of what is handed on only the names: a value may be a password.
    return _json({**told, "handed_on": sorted(box.settings.handed_on)})


def _status(box: Box) -> str:
    return _json(box.status.as_dict())


def _doctor(box: Box) -> str:
    return _json(as_dict(walk(HOPS, box)))


def _slot(box: Box) -> str:
    found = slot.current(box.places)
    facts: dict[str, Any] = {"slot": box.places.slot.name}
    if found is not None:
        facts |= {
            "release": found.release,
            "schema_generation": found.schema_generation,
            "bundle": found.bundle,
            "device": found.device,
            "models": [each.ref for each in found.models],
        }
    return _json(facts)


def _journal(box: Box) -> str:
    return "".join(
        f"{line}\n" for line in last_lines(box.places.slots / "journal.jsonl", JOURNAL_LINES)
    )


def _receipts(box: Box) -> str:
    found = []
    for path in sorted(box.places.receipts.glob("*.json")):
        told = json.loads(json.loads(path.read_text("utf-8"))["receipt"])
        found.append({name: told[name] for name in RECEIPT_FIELDS if name in told})
    return _json(found)


def _database(box: Box) -> str:
    return _json(box.local(["database", "generation"]))


def _counts(box: Box) -> str:
    return _json({name: len(box.read(path)) for name, path in COUNTED.items()})


def _services(box: Box) -> str:
    if box.settings.containers:
        form = "{{.Names}}\t{{.Image}}\t{{.Status}}"
        lines = _said(["docker", "ps", "--all", "--filter", "name=casemate", "--format", form])
    elif getattr(box.settings, "systemd", False):
        lines = _said(["systemctl", "--no-pager", "--full", "status", "casemate*"])
    else:
        lines = ["processes under a supervisor of their own; see status.json"]
    return "".join(f"{line}\n" for line in lines)


def _log(box: Box, name: str, lines: int) -> str:
    if name in NAMES and _is_in_container(box):
        from install.containers import operating

        here, _ = operating.open_project(box.places, box.settings)
        return here.do("logs", "--no-color", "--no-log-prefix", "--tail", str(lines), name)
    found = last_lines(box.places.logs / f"{name}.log", lines)
    return "".join(f"{line}\n" for line in found)


def _is_in_container(box: Box) -> bool:
    try:
        return box.settings.containers
    except InstallError:
        return False
