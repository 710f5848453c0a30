"""The hops on this machine's disk and ports."""

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from install import processes
from install.config import LOOPBACK
from install.doctor.box import Box
from install.doctor.findings import Finding, failed, ok, warning
from install.preflight import machine
from install.progress import size
from install.slots import slot

SECRET_FOLDERS = ("keys", "credentials", "instance", "gateway", "model_server", "run", "containers")
SECRET_FILES = ("config.json",)
OTHERS = stat.S_IRWXG | stat.S_IRWXO
FULL_BYTES = 512 * 2**20
TIGHT_BYTES = 5 * 2**30
# Logs are cut at ten; one long line may go beyond.
UNROTATED_BYTES = 20 * 2**20


def look_at_files(box: Box) -> Finding:
    """Whether the home is there, is ours, and its secrets are nobody else's to read."""
    places = box.places
    home = places.home
    if not home.is_dir():
        return failed(
            f"Nothing is set up at {home}.",
            "run `python3 FILE.bundle apply`, or `python3 -m install up` in the clone; set "
            "CASEMATE_HOME to the appliance you mean",
        )
    owner = home.stat().st_uid
    if places.uid not in {0, owner}:
        return failed(
            f"{home} belongs to the user number {owner}, not to you.",
            "become that user, with `sudo -u`, and look again",
            owner=owner,
        )
    exposed = [str(path) for path in _exposed(home)]
    if exposed:
        return failed(
            f"Others may read {', '.join(exposed)}.",
            f"chmod -R go= {' '.join(exposed)}",
            exposed=exposed,
        )
    return ok(f"{home}; its secrets are its owner's alone", owner=owner)


def _exposed(home: Path) -> Iterator[Path]:
    for name in (*SECRET_FOLDERS, *SECRET_FILES):
        path = home / name
        if path.exists() and _is_open(path):
            yield path


def _is_open(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & OTHERS)


def look_at_disk(box: Box) -> Finding:
    """Whether there is room for what is written all the time."""
    usage = shutil.disk_usage(box.places.home)
    facts = {"free_bytes": usage.free, "total_bytes": usage.total}
    said = f"{size(usage.free)} of {size(usage.total)} are free"
    fix = f"make room on the disk of {box.places.home}, or move what is large: du -xh -d2 there"
    if usage.free < FULL_BYTES:
        return failed(f"The disk is full: {said}.", fix, **facts)
    if usage.free < TIGHT_BYTES:
        return warning(f"The disk is nearly full: {said}.", fix, **facts)
    return ok(said, **facts)


def look_at_logs(box: Box) -> Finding:
    """Whether logs are cut as they grow."""
    files = [path for path in box.places.logs.glob("*.log*") if path.is_file()]
    sizes = {path.name: path.stat().st_size for path in files}
    facts = {"bytes": sum(sizes.values()), "files": sizes}
    grown = [name for name, count in sizes.items() if count > UNROTATED_BYTES]
    if grown:
        return warning(
            f"{', '.join(grown)} are not cut as they grow.",
            f"look for what repeats in it with `casemate logs`, then `{box.start}`",
            **facts,
        )
    return ok(f"{size(sum(sizes.values()))} in {len(sizes)} files", **facts)


def look_at_configuration(box: Box) -> Finding:
    """Whether what `up` was told can be read, and which program is in use."""
    settings = box.settings
    kind = "containers" if settings.containers else "processes"
    if getattr(settings, "systemd", False):
        kind = "systemd units"
    facts = {
        "kind": kind,
        "tls": settings.tls,
        "listen": settings.listen,
        "instance_url": settings.instance_url,
        "gateway_url": settings.gateway_url,
        "slot": str(box.places.slot),
    }
    current = slot.current(box.places)
    if box.places.pointer.is_symlink() and current is None:
        return failed(
            f"{box.places.slot}, which is in use, is not whole.",
            "casemate bundle recover, or apply the bundle again",
            **facts,
        )
    release = f"release {current.release}" if current else "installed from a clone"
    return ok(f"{kind}, {release}, instance at {settings.instance_url}", **facts)


def look_at_ports(box: Box) -> Finding:
    """Whether nobody else holds what the services listen on."""
    settings = box.settings
    held, strange = {}, {}
    for name, port in settings.ports.items():
        host = settings.listen if name in {"instance", "gateway"} else LOOPBACK
        reason = machine.why_not(host, port)
        if reason is not None and _is_ours(box, name, port):
            held[name] = port
        elif reason is not None:
            strange[name] = f"{port} {reason}"
    facts = {"held": held, "ports": settings.ports, "strange": strange}
    if strange:
        said = ", ".join(f"the {name} port {reason}" for name, reason in strange.items())
        flags = " ".join(f"--{name.replace(' ', '-')}-port PORT" for name in strange)
        return failed(
            f"{said[0].upper()}{said[1:]}.",
            f"end that program, or `{box.start} {flags}`",
            **facts,
        )
    return ok(f"{len(held)} of {len(settings.ports)} in use, none by somebody else", **facts)


def _is_ours(box: Box, name: str, port: int) -> bool:
    if box.settings.containers:
        # The engine holds it for the container, and does not always show as whom.
        return not box.is_stopped(name)
    return any(box.is_ours(pid, box.places.home) for pid in processes.listeners(port))
