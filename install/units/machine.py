"""Whether this machine can run the services as systemd's units."""

from pathlib import Path

from install.config import Config
from install.errors import InstallError, UnfitMachineError
from install.places import Places
from install.units.systemctl import Systemd, is_booted

OLDEST = 247
# Each service gets folders of these names for itself alone.
PRIVATE = (Path("/tmp"), Path("/var/tmp"), Path("/dev"), Path("/proc"))  # noqa: S108  # named, not used


def check(places: Places, config: Config, *, systemd: Systemd | None = None) -> None:
    """Passes where they can be, or need not be.

    Raises:
        UnfitMachineError: they cannot; with every problem at once.
    """
    if not config.systemd:
        return
    found = problems(places, config, systemd=systemd or Systemd(), is_booted=is_booted())
    if found:
        raise UnfitMachineError(found)


def problems(
    places: Places, config: Config, *, systemd: Systemd, is_booted: bool
) -> tuple[str, ...]:
    """A sentence for each reason why units cannot be used."""
    found = []
    if places.uid != 0:
        found.append("--systemd is for root: units are the machine's. Run it with sudo.")
    if not is_booted:
        found.append("This machine was not started by systemd; leave --systemd out.")
    else:
        found += _version(systemd)
    model = [] if config.model == "starter" else [Path(config.model)]
    for path in (places.home, *model):
        if any(path.is_relative_to(folder) for folder in PRIVATE):
            found.append(f"{path} is hidden from units; put it elsewhere, such as /var/lib.")
    found += [
        f"{path} may be entered by root alone, and services run as another user; put the home "
        "elsewhere, such as /var/lib/casemate."
        for path in places.home.parents
        if path.exists() and not path.stat().st_mode & 0o001
    ]
    return tuple(found)


def _version(systemd: Systemd) -> list[str]:
    try:
        version = systemd.version()
    except InstallError as error:
        return [error.sentence]
    if version < OLDEST:
        return [f"systemd is {version}; {OLDEST} or newer is needed for --systemd."]
    return []
