"""What of the system below decides whether the appliance can run: values in, findings out."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from install.bundle.manifest import Manifest
from install.preflight.findings import Finding
from install.preflight.probes import PROBE_BYTES, DiskSpeed
from install.progress import size

# The kernel of the oldest systems whose C library the packages' wheels are built for; nothing
# older was tried.
OLDEST_KERNEL = (4, 18)
OLDEST_OPENSSL = (3,)
SLOW_BYTES_PER_S = 50e6
LEAST_FILES = 1024
GOOD_FILES = 4096
# Two clocks that nothing keeps together may differ by this much without either being wrong.
CLOCK_SLACK = timedelta(minutes=5)
# As the tags of wheels have the C library that they need.
LIBC_TAG = re.compile(r"manylinux_(\d+)_(\d+)_")
OLD_LIBC_TAGS = {"manylinux2014_": (2, 17), "manylinux2010_": (2, 12), "manylinux1_": (2, 5)}


def kernel(release: str) -> Finding:
    """Whether the kernel is new enough; one of which that cannot be told is."""
    too_old = f"Linux {release} is too old; {_dotted(OLDEST_KERNEL)} or newer is needed."
    is_old = (numbers(release) or OLDEST_KERNEL)[:2] < OLDEST_KERNEL
    return Finding(name="kernel", found=release, problems=(too_old,) if is_old else ())


def libc(found: tuple[int, ...], wheels: Iterable[str]) -> Finding:
    """Whether the C library is as new as the packages need; empty where it cannot be told."""
    needed = max((needed_libc(each) for each in wheels), default=(0, 0))
    name = f"glibc {_dotted(found)}" if found else "unknown"
    if not found or found >= needed:
        return Finding(name="C library", found=name)
    problem = f"This system has {name}; the bundle's packages need {_dotted(needed)} or newer."
    return Finding(name="C library", found=name, problems=(problem,))


def needed_libc(wheel: str) -> tuple[int, int]:
    """The oldest C library that a wheel's name says will do; (0, 0) for one that needs none."""
    tagged = [(int(major), int(minor)) for major, minor in LIBC_TAG.findall(wheel)]
    tagged += [needs for tag, needs in OLD_LIBC_TAGS.items() if tag in wheel]
    return min(tagged, default=(0, 0))


def openssl(found: tuple[int, ...] | None) -> Finding:
    """Whether signatures can be checked."""
    if found is None:
        problem = "The program openssl is not here; install OpenSSL 3."
        return Finding(name="openssl", found="not here", problems=(problem,))
    problem = f"openssl is {_dotted(found)}; version 3 or newer is needed."
    is_old = found < OLDEST_OPENSSL
    return Finding(name="openssl", found=_dotted(found), problems=(problem,) if is_old else ())


def open_files(limit: int) -> Finding:
    """How many files and connections a service may have open, as it is started from here."""
    text = f"A process may have {limit} files open (ulimit -n), so connections too"
    too_few = f"{text}; {LEAST_FILES} or more are needed."
    few = f"{text}; with many users allow {GOOD_FILES} or more."
    return Finding(
        name="open files",
        found=str(limit),
        problems=(too_few,) if limit < LEAST_FILES else (),
        warnings=(few,) if LEAST_FILES <= limit < GOOD_FILES else (),
    )


def disk_speed(found: DiskSpeed | None) -> Finding:
    """How fast the home's disk is."""
    if found is None:
        return Finding(name="disk speed", found="not measured")
    text = f"{size(found.written)}/s written, {size(found.read)}/s read"
    slow = f"The disk is slow ({text}, {size(PROBE_BYTES)} at once): databases and start-up suffer."
    is_slow = min(found.written, found.read) < SLOW_BYTES_PER_S
    return Finding(name="disk speed", found=text, warnings=(slow,) if is_slow else ())


def clock(
    now: datetime, before: Iterable[tuple[str, datetime]], *, is_kept: bool | None
) -> Finding:
    """Whether the clock is not behind what has surely happened: `before` says what and when."""
    problems = tuple(
        f"The clock says {_time(now)}, but {what} at {_time(at)}; set the clock."
        for what, at in before
        if now < at - CLOCK_SLACK
    )
    kept = {True: ", kept by a time server", False: ", kept by nobody", None: ""}[is_kept]
    return Finding(name="clock", found=f"{_time(now)}{kept}", problems=problems)


def kind(manifest: Manifest, *, architecture: str, python: str, are_containers: bool) -> Finding:
    """Whether the bundle is for this kind of machine, and can be applied at all."""
    problems = []
    if manifest.architecture != architecture:
        problems.append(f"The bundle is for {manifest.architecture}, this is {architecture}.")
    if not are_containers and manifest.python != python:
        problems.append(
            f"The bundle's packages are for CPython {manifest.python}, this is {python}; run it "
            f"with python{manifest.python}."
        )
    if not manifest.below("wheels"):
        problems.append("The bundle carries models only; `casemate models import` takes it.")
    if are_containers and not manifest.images:
        problems.append("The bundle has no images; build one with --images for containers.")
    found = f"{manifest.release} for {manifest.architecture}, made {manifest.made_at}"
    return Finding(name="bundle", found=found, problems=tuple(problems))


def device(manifest: Manifest, wanted: str) -> Finding:
    """Whether the bundle brings the model server's packages for what the model is to run on."""
    carried = ", ".join(manifest.devices) or "none"
    problem = (
        f"The bundle brings the model server for {carried}, and {wanted} is to be used; give "
        "--device, or build the bundle with --device both."
    )
    is_missing = wanted not in manifest.devices
    return Finding(name="device", found=wanted, problems=(problem,) if is_missing else ())


def numbers(text: str) -> tuple[int, ...]:
    """The numbers that a version begins with."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(each) for each in found[0].split(".")) if found else ()


def _dotted(version: Iterable[int]) -> str:
    return ".".join(map(str, version))


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
