"""The compose project of one home: its files and variables, and the plugin that works on it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import install
from install.config import (
    ALL_GPUS,
    FOR_COMPOSE,
    HANDED_ON,
    MOUNTED,
    Config,
    public_host,
    write_private,
)
from install.containers import failures
from install.containers.engine import Engine
from install.containers.gpus import Device
from install.containers.machine import bridge_name, project_name
from install.errors import NotInstalledError
from install.places import Places
from install.release import release
from install.services import GATEWAY, INSTANCE, MODEL_SERVER

LOCKDOWN = "lockdown"
POSTGRES = "postgres"
POSTGRES_IMAGE = "postgres:15-bookworm"
NAMES = (LOCKDOWN, MODEL_SERVER, INSTANCE, GATEWAY)
# The plugin ends what it started when asked; a container of ours takes seconds.
PATIENCE_S = 30.0
POLL_S = 0.3

# Settings that the compose file has variables for, and those that it leaves to an override.
BY_VARIABLE = (
    "CASEMATE_DATABASE_URL",
    "CASEMATE_INSTANCE_PUBLIC_URL",
    "CASEMATE_GATEWAY_PUBLIC_URL",
    *FOR_COMPOSE,
)
BY_OVERRIDE = (
    "CASEMATE_ALLOWED_NETWORKS",
    "CASEMATE_TRUSTED_PROXIES",
    "CASEMATE_MAX_BODY_BYTES",
    "CASEMATE_SIGNING_KEY_LIFE",
    "CASEMATE_KEY_SET_MAX_AGE",
    "CASEMATE_KEY_SET_STALE_BUDGET",
    "CASEMATE_FEED_STRICT_AFTER",
)

# Would point the plugin to other files or projects than those it is given.
LEFT_OUT = ("COMPOSE_", "CASEMATE_")


def sources() -> Path:
    """The folder that holds the packages, in a clone as in an environment."""
    return Path(install.__file__).parent.parent


def compose_file() -> Path:
    """The project as it is shipped."""
    cloned = sources() / "compose.yaml"
    if cloned.exists():
        return cloned
    return Path(sysconfig.get_path("data")) / "share" / "casemate" / "compose.yaml"


def secrets_folder(places: Places) -> Path:
    """The files that compose mounts as secrets; mode 0700."""
    return places.containers / "secrets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What `docker compose` is called with."""

    name: str
    folder: Path
    files: tuple[Path, ...]
    profiles: tuple[str, ...]
    engine: Engine
    variables: Mapping[str, str] = field(repr=False)

    def command(self, *words: str) -> list[str]:
        """A compose command on this project."""
        command = ["docker", "compose", "--project-name", self.name]
        command += ["--project-directory", str(self.folder), "--env-file", os.devnull]
        for path in self.files:
            command += ["--file", str(path)]
        for profile in self.profiles:
            command += ["--profile", profile]
        return [*command, *words]

    def environment(self) -> dict[str, str]:
        """What the command finds in its environment; it holds no secret."""
        own = {k: v for k, v in os.environ.items() if not k.startswith(LEFT_OUT)}
        return {**own, "DOCKER_HOST": self.engine.address, **self.variables}

    def run(
        self, *words: str, stdin: str = "", watch: Callable[[], object] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end; `watch` is called meanwhile and may end it by raising."""
        # In a session of its own, Ctrl-C reaches this program alone, which then ends it in order.
        with subprocess.Popen(
            self.command("--progress", "quiet", *words),
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                while True:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        out, err = process.communicate(stdin, timeout=POLL_S if watch else None)
                        break
                    stdin = ""
                    if watch is not None:
                        watch()
            except BaseException:
                _end(process)
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def do(self, *words: str, watch: Callable[[], object] | None = None) -> str:
        """Runs a command that must succeed; returns what it printed.

        Raises:
            InstallError: the sentence says why it failed.
        """
        done = self.run(*words, watch=watch)
        if done.returncode != 0:
            raise failures.explained(words[0], done.stderr or done.stdout)
        return done.stdout

    def execute(
        self, service: str, words: list[str], stdin: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs `python3 -m WORDS` in a service's running container."""
        return self.run("exec", "-T", service, "python3", "-m", *words, stdin=stdin)

    def set_up(
        self, service: str, words: list[str], stdin: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs `python3 -m WORDS` in a container of its own that is removed at once.

        Raises:
            InstallError: the engine did not start it.
        """
        one_shot = ["run", "--rm", "--no-deps", "-T", "--pull", "never", service]
        done = self.run(*one_shot, "python3", "-m", *words, stdin=stdin)
        # Then it is the engine that refuses, and the command never began.
        if done.returncode != 0 and "error response from daemon" in done.stderr.lower():
            what = "run"
            raise failures.explained(what, done.stderr)
        return done


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def find(
    places: Places, config: Config, engine: Engine, *, model: Mapping[str, str] | None = None
) -> Project:
    """The project of this home as it was last written; `model` says what is served."""
    written = [path for path in (gpus_file(places), services_file(places)) if path.exists()]
    return Project(
        name=project_name(places),
        folder=places.containers,
        files=(compose_file(), *written),
        profiles=(POSTGRES,) if has_postgres(config) else (),
        engine=engine,
        variables={**variables(places, config), **(model or {})},
    )


def has_postgres(config: Config) -> bool:
    """Whether the database is the project's own PostgreSQL."""
    url = config.handed_on.get("CASEMATE_DATABASE_URL", "")
    return urlsplit(url).hostname == f"{POSTGRES}.inside"


def postgres_image(config: Config) -> str | None:
    """The image of the project's own PostgreSQL; None where the database is another."""
    if not has_postgres(config):
        return None
    return config.handed_on.get("CASEMATE_POSTGRES_IMAGE") or POSTGRES_IMAGE


def services_file(places: Places) -> Path:
    """The override that names each service's image and hands settings on."""
    return places.containers / "services.json"


def image_of(places: Places, service: str) -> str:
    """The image that the service was last told to run.

    Raises:
        NotInstalledError: no `up --compose` has got so far here.
    """
    try:
        found = json.loads(services_file(places).read_text("utf-8"))
        return str(found["services"][service]["image"])
    except (OSError, ValueError, KeyError) as cause:
        raise NotInstalledError(places.home) from cause


def gpus_file(places: Places) -> Path:
    """The override that hands GPUs to the model server; there only when it gets one."""
    return places.containers / "gpus.yaml"


def write_overrides(
    places: Places, config: Config, *, tags: Mapping[str, str], device: Device
) -> None:
    """Has each service run the image of its own digest, so that a new one restarts it alone."""
    services: dict[str, dict[str, object]] = {name: {"image": tag} for name, tag in tags.items()}
    for name in (INSTANCE, GATEWAY):
        handed_on = _handed_on(config, name)
        if handed_on:
            services.setdefault(name, {}).update(handed_on)
    # JSON is YAML too.
    write_private(services_file(places), json.dumps({"services": services}, indent=2) + "\n")
    if device.gpus is None:
        gpus_file(places).unlink(missing_ok=True)
        return
    write_private(gpus_file(places), gpus_override(device.gpus))


def _handed_on(config: Config, name: str) -> dict[str, object]:
    """What a service gets of the settings that the compose file leaves to the override.

    Of files the folder is mounted: one that is replaced is seen, and key files lie beside it. What
    the service's user (10001) cannot read there stops its start with a sentence.
    """
    told = {key: value for key, value in config.handed_on.items() if name in HANDED_ON.get(key, ())}
    environment = {key: value for key, value in told.items() if key in BY_OVERRIDE}
    files = {key: Path(told[key]) for key in MOUNTED if key in told}
    if not files:
        return {"environment": environment} if environment else {}
    inside = {key: f"/etc/casemate/{key.lower()}" for key in files}
    environment |= {key: f"{inside[key]}/{path.name}" for key, path in files.items()}
    volumes = [
        {
            "type": "bind",
            "source": str(path.parent),
            "target": inside[key],
            "read_only": True,
            "bind": {"create_host_path": False},
        }
        for key, path in files.items()
    ]
    return {"environment": {**environment, "CASEMATE_SECRETS_MOUNTED": "true"}, "volumes": volumes}


def gpus_override(gpus: str) -> str:
    """The shipped override for all GPUs, or the one for several with their numbers put in."""
    folder = sources() / "model_server"
    if gpus == ALL_GPUS:
        return (folder / "compose.gpu.yaml").read_text("utf-8")
    text = (folder / "compose.gpus.yaml").read_text("utf-8")
    return re.sub(r"device_ids: \[.*\]", f"device_ids: {json.dumps(gpus.split(','))}", text)


def variables(places: Places, config: Config) -> dict[str, str]:
    """All that the compose file asks for but the model."""
    host = public_host(config)
    told = {name: value for name, value in config.handed_on.items() if name in BY_VARIABLE}
    return {
        "CASEMATE_VERSION": release(),
        "CASEMATE_LISTEN": config.listen,
        "CASEMATE_INSTANCE_PORT": str(config.instance_port),
        "CASEMATE_GATEWAY_PORT": str(config.gateway_port),
        "CASEMATE_INSTANCE_PUBLIC_URL": f"http://{host}:{config.instance_port}",
        "CASEMATE_GATEWAY_PUBLIC_URL": f"http://{host}:{config.gateway_port}",
        "CASEMATE_EDGE_BRIDGE": bridge_name(places),
        "CASEMATE_SECRETS": str(secrets_folder(places)),
        **told,
    }
