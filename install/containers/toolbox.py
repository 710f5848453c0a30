"""`bundle apply --compose` on a machine with an engine and any Python from 3.9 on.

What needs CPython 3.11 runs in a container made from an image that the bundle carries. It sees the
home and the working folder at their own paths, the engine's socket, and the engine's client with
its compose plugin; later commands run so too, by HOME/bin/casemate.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from install.bundle import looking
from install.bundle.errors import NoBundleError
from install.bundle.looking import Commands
from install.bundle.manifest import CarriedImage
from install.bundle.opened import opened, unheard
from install.containers import engine as engines
from install.containers.carried import Loader
from install.containers.engine import Engine
from install.errors import UNFIT, InstallError
from install.homes import home_of

SERVICE = "toolbox"
# Set to `always`, it is used although there is a Python 3.11; so it can be tried out.
FORCED = "CASEMATE_TOOLBOX"
PYTHON = "python3.11"
CLIENT = "/usr/local/bin/docker"
PLUGIN = "/usr/local/lib/docker/cli-plugins/docker-compose"
PLUGIN_NAME = "cli-plugins/docker-compose"
# Where the client looks for plugins, besides the user's own folder.
SYSTEM_FOLDERS = (
    "/usr/local/lib/docker",
    "/usr/local/libexec/docker",
    "/usr/lib/docker",
    "/usr/libexec/docker",
)
# Would lead another Python to other code than the bundle's.
LEFT_OUT = ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH")
LONGEST = 300


class ToolboxError(InstallError):
    """Neither a Python 3.11 nor anything in its place can run what a bundle installs."""

    code = "python_missing"
    exit_code = UNFIT


def add(commands: Commands) -> None:
    """Adds `apply` to the words of `bundle`, for a Python that cannot do it itself."""
    apply = commands.add_parser("apply", help="install, or upgrade to, what the bundle carries")
    looking.add_trust_options(apply)
    apply.add_argument("--json", action="store_true", help="one JSON object for scripts")
    # Which words are values of settings, this Python cannot tell; so the bundle is the one that
    # runs, and no word.
    apply.set_defaults(run=run_apply, takes_more=True, needs_bundle=True, bundle=None)


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether this Python cannot, or is told not to, do it itself."""
    is_ours = sys.version_info[:2] == (3, 11) and sys.implementation.name == "cpython"
    return not is_ours or environment.get(FORCED) == "always"


def run_apply(options: argparse.Namespace) -> NoReturn:
    """Lets a Python 3.11 take over: the machine's own, else one in a container.

    Raises:
        InstallError: there is none, or the bundle is not one that this box takes.
    """
    words = sys.argv[sys.argv.index("apply") + 1 :]
    rest = [each for each in words if Path(each) != options.bundle]
    own = shutil.which(PYTHON)
    if own is not None and os.environ.get(FORCED) != "always":
        own_environment = {k: v for k, v in os.environ.items() if not k.startswith(LEFT_OUT)}
        _become([own, str(options.bundle), "apply", *rest], own_environment)
    if "--compose" not in words:
        sentence = (
            "What is in a bundle is for CPython 3.11 on x86_64, and no python3.11 is in PATH. "
            "Install it (Debian: python3.11 and python3.11-venv), or, where there is a container "
            "engine, apply a bundle that carries images with --compose."
        )
        raise ToolboxError(sentence)
    engine = engines.find(os.environ)
    found = looking.verified(options)
    bundle = Path(options.bundle).resolve()
    home = home_of(os.environ, uid=os.geteuid(), prefix=sys.prefix)
    home.mkdir(parents=True, exist_ok=True)
    image = _take_image(bundle, engine, verified=found.bundle)
    box = Toolbox(home=home, image=image.tag, engine=engine)
    box.check()
    box.write_program()
    if found.signer and not found.is_unsigned and "--fingerprint" not in words:
        # Nobody is asked twice.
        rest += ["--fingerprint", found.signer]
    inside = ["python3", str(bundle), "apply", *rest]
    _become(box.command(inside, more=[bundle]), box.environment())


def _take_image(bundle: Path, engine: Engine, *, verified: str) -> CarriedImage:
    with opened(bundle) as file:
        if file.digest != verified:
            sentence = f"{bundle} is another bundle than the one that was verified."
            raise NoBundleError(sentence)
        for image in file.manifest.images:
            if image.service == SERVICE:
                Loader(bundle=file, engine=engine, on_bytes=unheard).put_in(image)
                return image
    sentence = (
        "No python3.11 is in PATH, and this bundle carries no image that could stand in for it; "
        "install Python 3.11, or ask for a bundle that was built with --images."
    )
    raise ToolboxError(sentence)


@dataclass(frozen=True)
class Toolbox:
    """How a container is started that works on one home in place of this machine's Python."""

    home: Path
    image: str
    engine: Engine

    def command(self, inside: Sequence[str], *, more: Sequence[Path] = ()) -> list[str]:
        """The engine's command; `more` are files that it sees at their own paths."""
        command = ["docker", "run", *self._options(), "--interactive"]
        if sys.stdin.isatty() and sys.stdout.isatty():
            command.append("--tty")
        for path in more:
            command += ["--volume", f"{path}:{path}:ro"]
        for name in self.environment():
            if name.startswith("CASEMATE_"):
                # By its name alone: what it says may be a secret.
                command += ["--env", name]
        return [*command, self.image, *inside]

    def _options(self) -> list[str]:
        socket = self.engine.socket
        options = ["--rm", "--init", "--pull", "never", "--network", "host"]
        if not self.engine.is_rootless:
            options += ["--user", f"{os.geteuid()}:{os.getegid()}"]
            options += ["--group-add", str(socket.stat().st_gid)]
        for path in (self.home, socket):
            options += ["--volume", f"{path}:{path}"]
        options += ["--volume", f"{_client()}:{CLIENT}:ro"]
        options += ["--volume", f"{_plugin(os.environ)}:{PLUGIN}:ro"]
        options += ["--env", f"CASEMATE_HOME={self.home}", "--env", "HOME=/tmp"]
        return [*options, "--env", f"DOCKER_HOST={self.engine.address}"]

    def environment(self) -> dict[str, str]:
        """What the engine's client finds in its environment."""
        own = {k: v for k, v in os.environ.items() if k not in {FORCED, "CASEMATE_HOME"}}
        return {**own, "DOCKER_HOST": self.engine.address}

    def check(self) -> None:
        """Passes when the client and its plugin work inside.

        Raises:
            ToolboxError: they need something that only this machine has.
        """
        words = ["docker", "compose", "version", "--short"]
        done = subprocess.run(
            ["docker", "run", *self._options(), self.image, *words],  # noqa: S607  # from PATH
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).split())[-LONGEST:]
            sentence = (
                f"This machine's docker client does not run in a container ({said}); put a static "
                "one first into PATH, or install Python 3.11."
            )
            raise ToolboxError(sentence)

    def write_program(self) -> None:
        """Writes HOME/bin/casemate, which does for later commands what this does for `apply`."""
        path = self.home / "bin" / "casemate"
        path.parent.mkdir(exist_ok=True)
        draft = path.with_name(".casemate")
        options = " ".join(shlex.quote(each) for each in self._options())
        home = shlex.quote(str(self.home))
        text = PROGRAM.replace("@HOME@", home).replace("@OPTIONS@", options)
        text = text.replace("@ADDRESS@", shlex.quote(self.engine.address))
        draft.write_text(text, "utf-8")
        draft.chmod(0o755)
        draft.replace(path)


# The image is that of the slot in use, so that an upgrade and a rollback bring their own. A working
# folder is seen, for the files that a command names.
PROGRAM = r"""#!/bin/sh
# Runs Casemate's program where this machine has no Python 3.11; written by `bundle apply`.
home=@HOME@
image=$(sed -n 's/^ *"toolbox": "\([^"]*\)".*/\1/p' "$home/slot/slot.json" 2>/dev/null)
if [ -z "$image" ]; then
  echo "casemate: nothing is installed at $home yet; apply a bundle first." >&2
  exit 3
fi
set -- "$image" "$home/slot/services/bin/casemate" "$@"
for name in $(env | sed -n 's/^\(CASEMATE_[A-Z_]*\)=.*/\1/p'); do
  [ "$name" = CASEMATE_HOME ] || set -- --env "$name" "$@"
done
case "$PWD" in / | "$home" | "$home"/*) ;; *) set -- --volume "$PWD:$PWD" "$@" ;; esac
[ -t 0 ] && [ -t 1 ] && set -- --tty "$@"
exec env DOCKER_HOST=@ADDRESS@ docker run @OPTIONS@ --interactive --workdir "$PWD" "$@"
"""


def _client() -> Path:
    found = shutil.which("docker")
    if found is None:
        sentence = "The program docker is not in PATH."
        raise ToolboxError(sentence)
    return Path(found).resolve()


def _plugin(environment: Mapping[str, str]) -> Path:
    own = environment.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    for folder in (own, *SYSTEM_FOLDERS):
        path = Path(folder) / PLUGIN_NAME
        if path.exists():
            return path.resolve()
    sentence = "Docker's compose plugin is in none of the folders that the client looks into."
    raise ToolboxError(sentence)


def _become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    program = shutil.which(command[0]) or command[0]
    os.execve(program, list(command), dict(environment))  # noqa: S606  # no shell is wanted
