"""The user that the services run as: what belongs to it, and commands that act as it."""

import grp
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from install.config import Config
from install.places import Places
from install.units.systemctl import SystemdError

NAME = "casemate"
# Tells the account that was made here from one that the machine had.
COMMENT = "Casemate"
ROOT = 0
READABLE = stat.S_IRGRP | stat.S_IROTH
ENTERED = stat.S_IXGRP | stat.S_IXOTH

# The part of `subprocess.run`'s arguments that says as whom.
As = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A user by number."""

    uid: int
    gid: int


def acting(config: Config) -> As:
    """How a command is run that touches what the services own; as it is without systemd.

    SQLite's files would else become root's, and the instance could not write to them.
    """
    found = find() if config.systemd and os.geteuid() == 0 else None
    if found is None:
        return {}
    return {"user": found.uid, "group": found.gid, "extra_groups": []}


def find() -> Owner | None:
    """The user, where there is one."""
    try:
        found = pwd.getpwnam(NAME)
    except KeyError:
        return None
    return Owner(uid=found.pw_uid, gid=found.pw_gid)


def ensure() -> Owner:
    """The user, made where there is none.

    Raises:
        SystemdError: it cannot be made.
    """
    found = find()
    if found is not None:
        return found
    told = f'u {NAME} - "{COMMENT}" /nonexistent -\n'
    useradd = ["useradd", "--system", "--user-group", "--no-create-home", "--comment", COMMENT]
    ways = ((["systemd-sysusers", "-"], told), ([*useradd, NAME], ""))
    for command, stdin in ways:
        program = shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin")
        if program is not None:
            subprocess.run(
                [program, *command[1:]], input=stdin, capture_output=True, text=True, check=False
            )
        found = find()
        if found is not None:
            return found
    sentence = f"The user {NAME} could not be made; make it with `useradd --system {NAME}`."
    raise SystemdError(sentence)


def forget() -> None:
    """Removes the user and its group, unless the machine had them before."""
    if not _was_made_here():
        return
    for command in (["userdel", NAME], ["groupdel", NAME]):
        program = shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin")
        names = (each.gr_name for each in grp.getgrall())
        if program is not None and (find() is not None or NAME in names):
            subprocess.run([program, NAME], capture_output=True, check=False)


def _was_made_here() -> bool:
    try:
        return pwd.getpwnam(NAME).pw_gecos.partition(",")[0] == COMMENT
    except KeyError:
        return False


def owned(places: Places) -> tuple[Path, ...]:
    """The folders that services and set-up commands write to; all else stays root's."""
    home = places.home
    keys = home / "keys"
    own = (home / "instance", home / "gateway", keys, places.model_state)
    return (*own, places.credentials, places.egress)


def take_over(places: Places, owner: Owner) -> None:
    """Gives the user its folders, and has it reach its program; the program stays root's."""
    places.home.chmod(stat.S_IMODE(places.home.stat().st_mode) | ENTERED)
    for folder in owned(places):
        give(folder, owner)
    for folder in (places.slot, places.packages, places.models):
        open_to_read(folder)


def hand_back(places: Places) -> None:
    """Makes it all root's again, before the number of the user can become somebody else's."""
    for folder in owned(places):
        if folder.is_dir():
            give(folder, Owner(uid=ROOT, gid=ROOT))


def give(folder: Path, owner: Owner) -> None:
    """Makes a folder and all in it the owner's; a file with a second name is left alone.

    Whoever it belonged to may change it meanwhile, so what is opened counts and no path: neither a
    link nor an exchanged folder leads out of it.
    """
    for _, folders, files, handle in os.fwalk(folder, follow_symlinks=False):
        if _is_of_another(os.fstat(handle), owner):
            os.fchown(handle, owner.uid, owner.gid)
        for name in (*folders, *files):
            found = os.stat(name, dir_fd=handle, follow_symlinks=False)
            is_alone = stat.S_ISDIR(found.st_mode) or found.st_nlink == 1
            if is_alone and _is_of_another(found, owner):
                os.chown(name, owner.uid, owner.gid, dir_fd=handle, follow_symlinks=False)


def _is_of_another(found: os.stat_result, owner: Owner) -> bool:
    return (found.st_uid, found.st_gid) != (owner.uid, owner.gid)


def open_to_read(folder: Path) -> None:
    """Lets everybody read what a strict umask kept from all but root; nothing here is secret."""
    for here, _, files in os.walk(folder):
        for path in (here, *(f"{here}/{name}" for name in files)):
            mode = os.lstat(path).st_mode
            wanted = mode | READABLE | (ENTERED if mode & stat.S_IXUSR else 0)
            if wanted != mode and not stat.S_ISLNK(mode):
                os.chmod(path, stat.S_IMODE(wanted))  # noqa: PTH101  # one of very many
