"""The appliance as the hops look at it: each thing is asked once, and nothing is changed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from install import config, contents, processes, services
from install.api import Instance
from install.config import Config
from install.errors import InstallError, NotInstalledError, UnreachableError
from install.places import Places
from install.status import Status
from install.trust import trusted_for

PROBE_TIMEOUT_S = 5.0
LOCAL_TIMEOUT_S = 300.0
TOKEN_TIMEOUT_S = 120.0


class LocalWorkError(InstallError):
    """A command of the instance's own, on this machine, did not do its work."""

    code = "local_command_failed"


def utc_now() -> datetime:
    """What this machine's clock shows."""
    return datetime.now(UTC)


def is_ours(pid: int, home: Path) -> bool:
    """Whether a process is one of the home's services, or was started by one."""
    found = processes.read(pid)
    while found is not None and found.pid > 1:
        if processes.is_service_of(found.pid, home):
            return True
        found = processes.read(found.parent)
    return False


@dataclass(kw_only=True)
class Box:
    """One home, with what is read of it kept for the hops that come later."""

    places: Places
    now: Callable[[], datetime] = utc_now
    pause: Callable[[float], None] = time.sleep
    # Only ever asked of who holds a port.
    is_ours: Callable[[int, Path], bool] = is_ours
    # What each address answered, by this machine's clock of then.
    asked_at: dict[str, datetime] = field(default_factory=dict)
    _probes: dict[str, httpx.Response | str] = field(default_factory=dict)
    _lists: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def settings(self) -> Config:
        """What `up` was told.

        Raises:
            InstallError: nothing was, or it cannot be read.
        """
        found = config.load(self.places.config)
        if found is None:
            raise NotInstalledError(self.places.home)
        return found

    @cached_property
    def status(self) -> Status:
        """What `casemate status` says.

        Raises:
            InstallError: it cannot be found out.
        """
        if self.settings.containers:
            from install.containers import operating

            return operating.look(self.places, self.settings)
        from install import status

        return status.look(self.places, self.settings)

    def is_stopped(self, service: str) -> bool:
        """Whether a service is known not to run."""
        return any(
            each.name == service and each.state == "stopped" for each in self.status.services
        )

    @property
    def start(self) -> str:
        """What starts the services as they were set up."""
        if self.settings.containers:
            return "casemate up --compose"
        is_unit = bool(getattr(self.settings, "systemd", False))
        return "casemate up --systemd" if is_unit else "casemate up"

    def probe(self, url: str) -> httpx.Response | str:
        """An answer without any credentials; a sentence instead when there is none."""
        if url not in self._probes:
            self._probes[url] = self._probe(url)
            self.asked_at[url] = self.now()
        return self._probes[url]

    def _probe(self, url: str) -> httpx.Response | str:
        try:
            trusted = trusted_for(url, self.places.home)
            return httpx.get(url, timeout=PROBE_TIMEOUT_S, trust_env=False, verify=trusted)
        except httpx.HTTPError as error:
            return f"{url} does not answer: {str(error) or type(error).__name__}."
        except InstallError as error:
            return error.sentence

    @cached_property
    def asked(self) -> Instance:
        """The instance, with the admin's token.

        Raises:
            InstallError: there is no token, or nothing says whom to believe.
        """
        path = contents.token_file(self.places)
        try:
            token = path.read_text("utf-8").strip()
        except OSError as cause:
            sentence = f"{path}, the admin's token, cannot be read: {cause.strerror}."
            raise UnreachableError(sentence) from cause
        url = self.settings.instance_url
        return Instance(url, token, trusted=trusted_for(url, self.places.home))

    def read(self, path: str) -> Any:
        """What the instance answers there, asked once.

        Raises:
            InstallError: as `Instance.ask` does.
        """
        if path not in self._lists:
            self._lists[path] = self.asked.ask("GET", path)
        return self._lists[path]

    def ask_gateway(self, token: str, body: dict[str, Any]) -> httpx.Response:
        """One chat completion.

        Raises:
            UnreachableError: there was no answer.
        """
        url = f"{self.settings.gateway_url}/v1/chat/completions"
        try:
            return httpx.post(
                url,
                json=body,
                headers={"Authorization": f"Bearer {token}"},
                timeout=TOKEN_TIMEOUT_S,
                trust_env=False,
                verify=trusted_for(url, self.places.home),
            )
        except httpx.HTTPError as cause:
            sentence = f"No answer to a question came from {self.settings.gateway_url}."
            raise UnreachableError(sentence) from cause

    def local(self, words: Sequence[str], *, stdin: str = "") -> dict[str, Any]:
        """What `python -m appliance WORDS` says, run where its database is.

        Raises:
            LocalWorkError: it says no, or not in JSON.
        """
        what = f"`{' '.join(words)}`"
        python = self.places.services / "bin" / "python"
        command = [str(python) if python.exists() else sys.executable, "-P", "-m"]
        try:
            done = subprocess.run(
                [*command, "install.local_work", *words],
                env=self._environment(),
                input=stdin,
                capture_output=True,
                text=True,
                timeout=LOCAL_TIMEOUT_S,
                check=False,
            )
            found = json.loads(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() else {}
        except (OSError, ValueError, subprocess.TimeoutExpired) as cause:
            sentence = f"{what} cannot be run, or says nothing that can be read."
            raise LocalWorkError(sentence) from cause
        # Such a command may also fail by what it found, and then tells of it.
        if done.returncode != 0 and not found:
            raise LocalWorkError(_last_line(done.stderr) or f"{what} failed.")
        return dict(found)

    def _environment(self) -> dict[str, str]:
        kept = services.base_environment(os.environ)
        return {**kept, "CASEMATE_HOME": str(self.places.home), "PYTHONSAFEPATH": "1"}

    def close(self) -> None:
        """Closes the connections."""
        asked = self.__dict__.get("asked")
        if asked is not None:
            asked.close()


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    if not lines:
        return ""
    # Of an error that nobody caught, only the sentence is for people.
    name, _, sentence = lines[-1].partition(": ")
    is_error = name.replace(".", "").isidentifier() and name.endswith("Error")
    return sentence if is_error else lines[-1]
