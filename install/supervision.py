"""Keeps the three services running: supervisor's configuration, its start, and its answers."""

import http.client
import json
import os
import shlex
import subprocess
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from pathlib import Path

from supervisor.xmlrpc import SupervisorTransport

from install import processes, stopping
from install.config import write_private
from install.errors import SupervisionError
from install.places import Places, make_socket_folder
from install.running import Running, Started, remember, started
from install.services import MODEL_SERVER, NAMES, RENEWAL, Service, base_environment

GROUP = "casemate"
# A stop has ten seconds in all, and the supervisor looks only once a second.
STOP_WAIT_S = 8
START_WAIT_S = 20.0
LOG_BYTES = "10MB"
LOG_BACKUPS = 5


def config_text(places: Places, services: Sequence[Service]) -> str:
    """Supervisor's configuration. It holds no setting of a service, and so no secret."""
    head: dict[str, Mapping[str, object]] = {
        "unix_http_server": {"file": places.socket, "chmod": "0600"},
        "supervisord": {
            "logfile": places.logs / "supervisord.log",
            "logfile_maxbytes": LOG_BYTES,
            "logfile_backups": LOG_BACKUPS,
            "pidfile": stopping.pid_file(places),
            "directory": places.home,
            "umask": "077",
            # Without it a supervisor that runs as root logs a critical warning.
            **({"user": "root"} if places.uid == 0 else {}),
        },
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        # One group is stopped together; single programs would be stopped one after another.
        f"group:{GROUP}": {"programs": ",".join(service.name for service in services)},
    }
    programs = {f"program:{service.name}": _program(places, service) for service in services}
    return "\n".join(_section(name, values) for name, values in {**head, **programs}.items())


def _program(places: Places, service: Service) -> dict[str, object]:
    leash = [str(places.services / "bin" / "python"), "-P", "-m", "install.leash"]
    leash += ["--parent", str(stopping.pid_file(places))]
    leash += ["--environment", str(environment_file(places, service.name)), "--"]
    return {
        "command": shlex.join([*leash, *service.command]),
        "directory": places.home,
        "autostart": "false" if service.name == RENEWAL else "true",
        "autorestart": "true",
        "startsecs": 1,
        # The pause grows by a second with each failure; giving up would need a person.
        "startretries": 1_000_000,
        "stopsignal": "TERM",
        "stopwaitsecs": STOP_WAIT_S,
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": service.log,
        "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": LOG_BACKUPS,
    }


def _section(name: str, values: Mapping[str, object]) -> str:
    lines = [f"{key}={str(value).replace('%', '%%')}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])


def environment_file(places: Places, name: str) -> Path:
    """What the leash gives to a service; mode 0600."""
    return places.run / f"{name}.env.json"


class Supervisor:
    """Speaks to the supervisor of one home."""

    def __init__(self, places: Places) -> None:
        self._url = f"unix://{places.socket}"

    def running(self) -> dict[str, Running] | None:
        """What runs, by service; None when no supervisor answers."""
        try:
            found = self._call("getAllProcessInfo")
        except SupervisionError:
            return None
        return {
            each["name"]: Running(
                state=str(each["statename"]).lower(),
                pid=int(each["pid"]),
                since=int(each["start"]),
            )
            for each in found  # type: ignore[attr-defined]  # XML-RPC is untyped
        }

    def stop(self, name: str) -> None:
        """Stops one service and waits until it is gone."""
        if (self.running() or {})[name].state not in {"stopped", "exited", "fatal"}:
            self._call("stopProcess", f"{GROUP}:{name}")

    def start(self, name: str) -> None:
        """Starts one service; does not wait for it."""
        self._call("startProcess", f"{GROUP}:{name}", False)  # noqa: FBT003  # XML-RPC

    def _call(self, method: str, *arguments: str | bool) -> object:
        transport = SupervisorTransport(None, None, self._url)
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as cause:
            sentence = f"The supervisor did not do {method}: {type(cause).__name__}."
            raise SupervisionError(sentence) from cause
        finally:
            transport.close()


def bring_up(
    places: Places,
    services: Sequence[Service],
    fingerprints: Mapping[str, str],
    *,
    foreground: bool = False,
) -> Started:
    """Starts what does not run, and starts anew what changed; leaves the rest alone."""
    text = config_text(places, services)
    for service in services:
        write_private(environment_file(places, service.name), json.dumps(dict(service.environment)))
    path = stopping.config_file(places)
    same = path.exists() and path.read_text("utf-8") == text
    supervisor = Supervisor(places)
    if same and stopping.find_supervisor(places) and supervisor.running() is not None:
        changed = _restart_changed(places, supervisor, services, fingerprints=fingerprints)
        return Started(restarted=changed, was_running=True, strays=0)
    was_running = stopping.find_supervisor(places) is not None
    strays = 0 if was_running else len(processes.services_of(places.home))
    stopping.stop_everything(places)
    write_private(path, text)
    (places.model_state / "state.json").unlink(missing_ok=True)
    _start(places, foreground=foreground)
    for service in services:
        if service.name == RENEWAL and service.is_wanted:
            supervisor.start(RENEWAL)
    remember(places, fingerprints)
    restarted = tuple(name for name in fingerprints if name in NAMES)
    return Started(restarted=restarted, was_running=was_running, strays=strays)


def _restart_changed(
    places: Places,
    supervisor: Supervisor,
    services: Sequence[Service],
    *,
    fingerprints: Mapping[str, str],
) -> tuple[str, ...]:
    before = started(places).get("fingerprints", {})
    running = supervisor.running() or {}
    changed = tuple(
        service
        for service in services
        if before.get(service.name) != fingerprints[service.name]
        or (running[service.name].state in {"running", "starting"}) != service.is_wanted
    )
    for service in changed:
        supervisor.stop(service.name)
        if service.name == MODEL_SERVER:
            # What the last one said is no longer true.
            (places.model_state / "state.json").unlink(missing_ok=True)
        if service.is_wanted:
            supervisor.start(service.name)
    remember(places, fingerprints)
    return tuple(service.name for service in changed if service.name in NAMES)


def _start(places: Places, *, foreground: bool) -> None:
    make_socket_folder(places)
    python = str(places.services / "bin" / "python")
    command = [python, "-P", "-m", "supervisor.supervisord"]
    command += ["-c", str(stopping.config_file(places))]
    environment = {**base_environment(os.environ), "PYTHONSAFEPATH": "1"}
    if foreground:
        # In the foreground the supervisor must not outlive this process, however that ends.
        leashed = [python, "-P", "-m", "install.leash", "--", *command, "--nodaemon"]
        output = os.open(
            places.logs / "supervisord.out", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600
        )
        actions = [(os.POSIX_SPAWN_DUP2, output, stream) for stream in (1, 2)]
        os.posix_spawn(python, leashed, environment, file_actions=actions, setsid=True)
        os.close(output)
    else:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = " ".join((done.stdout + done.stderr).split())[-500:]
            sentence = f"The supervisor did not start: {said}"
            raise SupervisionError(sentence)
    _wait_for(places)


def _wait_for(places: Places) -> None:
    until = time.monotonic() + START_WAIT_S
    supervisor = Supervisor(places)
    while supervisor.running() is None or stopping.find_supervisor(places) is None:
        if time.monotonic() > until:
            log = places.logs / "supervisord.log"
            sentence = f"The supervisor did not answer within {START_WAIT_S:.0f} s; see {log}."
            raise SupervisionError(sentence)
        time.sleep(processes.POLL_S)
