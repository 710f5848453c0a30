"""A box that bundles are carried to: a home with ports of its own, with or without a way out."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from install import locking
from install.bundle.signers import SigningKey
from install.errors import AlreadyWorkingError
from install.places import Places
from install.slots.journal import Attempt, Journal
from tests.system.driver import PYTHON, Appliance

APPLY_TIMEOUT_S = 900


@dataclass(slots=True, kw_only=True)
class Box(Appliance):
    """`within` are words that every command is put behind, such as those that enter a namespace."""

    within: Sequence[str] = ()
    fingerprint: str = ""
    environment_too: dict[str, str] = field(default_factory=dict)

    @property
    def places(self) -> Places:
        """Where its files lie."""
        return Places(home=self.home, uid=os.geteuid())

    @property
    def program(self) -> Path:
        """The installed program, whichever slot is in use."""
        return self.places.pointer / "services" / "bin" / "casemate"

    def apply_words(self, bundle: Path, *words: str) -> list[str]:
        """The words of a command that applies a bundle."""
        start = [*self.within, str(PYTHON), str(bundle), "apply", "--json"]
        return [*start, "--fingerprint", self.fingerprint, *words]

    def apply(self, bundle: Path, *words: str) -> dict[str, Any]:
        """Applies a bundle, which must do; what it told."""
        done = self.do(*self.apply_words(bundle, *words), timeout_s=APPLY_TIMEOUT_S)
        assert done.returncode == 0, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    def casemate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The installed program."""
        return self.do(*self.within, str(self.program), *arguments, timeout_s=APPLY_TIMEOUT_S)

    def must(self, *arguments: str) -> str:
        """A command of the installed program that must do; what it printed."""
        done = self.casemate(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def ask(self, question: str = "Say yes.") -> str:
        """One question through the whole path; the answer."""
        return self.must("ask", question, "--max-tokens", "16").strip()

    def do(self, *words: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Runs any command as a person at this box would."""
        return subprocess.run(
            words,
            env={**self.environment, **self.environment_too},
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def is_locked(self) -> bool:
        """Whether something is at work on it, so that a second one would be refused."""
        try:
            handle = locking.take(self.places)
        except AlreadyWorkingError:
            return True
        os.close(handle)
        return False

    def attempts(self) -> Sequence[Attempt]:
        """What its journal says."""
        return Journal(self.places).attempts()


@contextmanager
def no_way_out() -> Iterator[Sequence[str]]:
    """A network namespace with loopback and no route; the words to put before a command."""
    script = 'ip link set lo up; test -z "$(ip route)" && echo ready; exec sleep infinity'
    words = ["unshare", "--net", "--kill-child", "sh", "-c", script]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout
            assert holder.stdout.readline() == "ready\n"
            yield ("nsenter", f"--net=/proc/{holder.pid}/ns/net")
        finally:
            holder.kill()


def fingerprint_of(key: Path) -> str:
    """The fingerprint that the maker of bundles tells by another way."""
    return SigningKey.load(key).fingerprint
