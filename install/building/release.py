"""What a bundle says of its release: version, time, generation of the database."""

import json
import re
import subprocess
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from install.building.errors import BuildRefusedError, TimeUnknownError
from install.bundle.manifest import RELEASE
from install.errors import SetUpCommandError


def version(clone: Path) -> str:
    """The release that a clone is.

    Raises:
        BuildRefusedError: its version is not of three numbers, or cannot be read.
    """
    try:
        found = tomllib.loads((clone / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    except (OSError, ValueError, KeyError) as cause:
        sentence = f"{clone / 'pyproject.toml'} names no version."
        raise BuildRefusedError(sentence) from cause
    if not RELEASE.fullmatch(str(found)):
        sentence = f"A release has a version of three numbers; pyproject.toml says {found!r}."
        raise BuildRefusedError(sentence)
    return str(found)


def made_at(clone: Path, environment: Mapping[str, str]) -> str:
    """When the release was made: SOURCE_DATE_EPOCH, else the clone's last commit, as RFC 3339.

    Raises:
        TimeUnknownError: neither says it.
    """
    told = environment.get("SOURCE_DATE_EPOCH") or _last_commit(clone)
    if not re.fullmatch(r"\d{1,11}", told):
        raise TimeUnknownError
    return datetime.fromtimestamp(int(told), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _last_commit(clone: Path) -> str:
    # Only the clone's own commits: one that lies inside another repository has none.
    if not (clone / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(clone), "log", "-1", "--format=%ct"],  # noqa: S607  # wherever it is
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip()


def generation(python: Path) -> int:
    """How often releases changed the database's shape, as the program in an environment says.

    Raises:
        SetUpCommandError: it does not say it.
    """
    words = ["-P", "-m", "appliance", "database", "generation"]
    done = subprocess.run([str(python), *words], capture_output=True, text=True, check=False)
    try:
        return int(json.loads(done.stdout)["generation"])
    except (ValueError, KeyError, TypeError) as cause:
        said = " ".join((done.stderr or done.stdout).split())[-300:]
        raise SetUpCommandError(" ".join(words[2:]), said) from cause
