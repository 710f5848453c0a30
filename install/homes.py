"""Which appliance of this machine is meant; runs on Python 3.9, as bundles are verified there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def home_of(environment: Mapping[str, str], *, uid: int, prefix: str) -> Path:
    """The home meant: CASEMATE_HOME, else where this program is installed, else the default.

    `prefix` is the running Python's `sys.prefix`.
    """
    told = environment.get("CASEMATE_HOME")
    if told:
        return Path(told).expanduser().absolute()
    installed = Path(prefix)
    if installed.parts[-2:] in {("envs", "services"), ("slot", "services")}:
        return installed.parent.parent
    if installed.parts[-3:-2] == ("slots",) and installed.name == "services":
        return installed.parents[2]
    if uid == 0:
        return Path("/var/lib/casemate")
    return Path(environment.get("HOME") or Path.home()) / ".local" / "share" / "casemate"
