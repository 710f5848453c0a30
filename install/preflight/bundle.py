"""What must be true of a machine before a bundle is put on it: one look at everything at once."""

import json
import os
import platform
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from install import processes
from install.bundle.manifest import Manifest
from install.config import Config
from install.containers import engine as engines
from install.containers import machine as containers
from install.errors import InstallError, UnfitMachineError
from install.places import Places
from install.preflight import fit, gpus, machine, probes, room, system
from install.preflight.findings import Finding, Report
from install.preflight.fit import Memory
from install.progress import size


def _now() -> datetime:
    return datetime.now(UTC)


def check(
    places: Places,
    config: Config,
    manifest: Manifest | None,
    *,
    device: str,
    now: Callable[[], datetime] = _now,
) -> Report:
    """Looks at this machine, and changes nothing; without a manifest, at the machine alone.

    `device` is what the model is to run on, `cpu` or `cuda`.
    """
    clock = system.clock(now(), _before(places, manifest), is_kept=probes.is_clock_kept())
    found = [
        *_of_the_machine(places, config, device=device),
        system.kernel(platform.release()),
        system.openssl(probes.openssl_version()),
        system.open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        clock,
        system.disk_speed(probes.disk_speed(places.home)),
    ]
    if manifest is not None:
        found = [
            *_of_the_bundle(config, manifest, device=device),
            *found,
            *room.look(_needs(places, config, manifest, device=device)),
            *_of_the_models(places, config, manifest, device=device),
        ]
    return Report(findings=tuple(found))


def _of_the_machine(places: Places, config: Config, *, device: str) -> tuple[Finding, ...]:
    """What an installation from a clone must find too, but for what it would put on the disk."""
    if config.containers:
        try:
            told = containers.check(places, config, os.environ)
        except UnfitMachineError as error:
            return (Finding(name="engine", found="here", problems=error.problems),)
        except InstallError as error:
            return (Finding(name="engine", found="none", problems=(error.sentence,)),)
        return (Finding(name="engine", found=told),)
    facts = machine.gather(places, config, device=device)
    found = machine.problems(replace(facts, needed_bytes=0, memory_bytes=None), device=device)
    python = ".".join(map(str, facts.python))
    name = f"{facts.system} on {facts.machine}, {facts.implementation} {python}"
    return (
        Finding(name="machine", found=name, problems=tuple(found)),
        _memory(facts.memory_bytes),
        Finding(name="ports", found=", ".join(map(str, config.ports.values()))),
    )


def _memory(free: int | None) -> Finding:
    # Beside running services, new ones are tried for a while; the model waits until those ended.
    wanted = machine.MEMORY_BYTES if free is not None else machine.RUNNING_BYTES
    free = machine.free_memory(Path("/")) if free is None else free
    problem = f"{size(free)} of memory are free, about {size(wanted)} are needed."
    is_short = free < wanted
    return Finding(name="memory", found=f"{size(free)} free", problems=(problem,) * is_short)


def _of_the_bundle(config: Config, manifest: Manifest, *, device: str) -> tuple[Finding, ...]:
    python = ".".join(map(str, sys.version_info[:2]))
    here = platform.machine()
    kind = system.kind(manifest, architecture=here, python=python, are_containers=config.containers)
    if config.containers:
        return (kind,)
    carried = [
        each.path
        for folder in ("services", f"model-server-{device}")
        for each in manifest.below(f"wheels/{folder}")
    ]
    return (
        kind,
        system.device(manifest, device),
        system.libc(system.numbers(platform.libc_ver()[1]), carried),
    )


def _of_the_models(
    places: Places, config: Config, manifest: Manifest, *, device: str
) -> tuple[Finding, ...]:
    driver: tuple[Finding, ...] = ()
    if device == "cuda":
        found = probes.gpus()
        driver = (gpus.driver(manifest, found),)
        if not found:
            return driver
    return (*driver, *gpus.models(manifest, memory_here(places, config, device=device)))


def memory_here(places: Places, config: Config, *, device: str) -> Memory:
    """What a model can have on this machine once the one that runs has ended."""
    # Which of the engine's processes are ours cannot be told from here.
    are_ours = config.containers or bool(processes.services_of(places.home))
    if device == "cuda":
        return fit.gpu_memory(probes.gpus(), are_ours=are_ours)
    held = probes.held_bytes(places.home)
    free = probes.total_memory() if config.containers else machine.free_memory(Path("/")) + held
    flags = machine.cpu_flags(Path("/proc/cpuinfo"))
    return Memory(device="cpu", pieces=(free,), has_bfloat16="avx512_bf16" in flags)


def _needs(
    places: Places, config: Config, manifest: Manifest, *, device: str
) -> tuple[room.Need, ...]:
    root = None
    if config.containers:
        # One that does not answer is told already.
        with suppress(InstallError):
            root = Path(str(engines.find(os.environ).facts.get("DockerRootDir")))
    return room.needs(places, config, manifest, device=device, engine_root=root)


def _before(places: Places, manifest: Manifest | None) -> list[tuple[str, datetime]]:
    """What has surely happened before now; a receipt that cannot be read says nothing."""
    found = []
    if manifest is not None:
        found.append(("the bundle was made", manifest.made_at))
    receipts = sorted(places.receipts.glob("*.json")) if places.receipts.is_dir() else []
    for path in receipts[-1:]:
        with suppress(OSError, ValueError, KeyError, TypeError):
            receipt: Any = json.loads(json.loads(path.read_text("utf-8"))["receipt"])
            found.append((f"the receipt {path.name} was written", str(receipt["at"])))
    known = []
    for what, text in found:
        with suppress(ValueError):
            at = datetime.fromisoformat(text)
            known.append((what, at if at.tzinfo else at.replace(tzinfo=UTC)))
    return known
