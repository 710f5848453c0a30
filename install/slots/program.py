"""A slot's own program, which alone starts and stops the services of its release."""

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from install import config
from install.errors import InstallError
from install.options import Handover
from install.places import Places

COMPOSE = "--compose"
Say = Callable[[str], None]
SAID_CHARS = 600


class ProgramError(InstallError):
    """A slot's own program failed; its words, and its code where it said one."""

    code = "program_failed"

    def __init__(self, words: Sequence[str], said: str, code: str | None) -> None:
        super().__init__(f"`casemate {words[0]}` failed: {said}")
        if code:
            self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The program of the slot at `folder`; `lock` is the home's lock, which it works under.

    What it starts to do its work ends with this process; what it starts to stay, stays.
    """

    places: Places
    folder: Path
    lock: int
    began: float = 0.0

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "services" / "bin" / "python"

    @property
    def is_there(self) -> bool:
        """Whether it was ever installed whole."""
        return (self.folder / "services" / "stamp.json").exists()

    def up(self, words: Sequence[str] = (), *, say: Say = lambda _line: None) -> dict[str, Any]:
        """Starts everything, asks the first question; what `up --json` says.

        Raises:
            ProgramError: it did not come up.
        """
        handover = Handover(lock=self.lock, began=self.began).text()
        settings = config.load(self.places.config)
        # The one setting that is never taken from what is remembered.
        if settings is not None and settings.containers and COMPOSE not in words:
            words = [*words, COMPOSE]
        return self.call(["up", "--json", *words, "--handover", handover], say=say)

    def down(self) -> None:
        """Stops everything.

        Raises:
            ProgramError: it could not.
        """
        self.call(["down", "--json", "--handover", str(self.lock)])

    def call(
        self,
        words: Sequence[str],
        *,
        say: Say = lambda _line: None,
        module: str = "install.cli",
        stdin: str = "",
    ) -> dict[str, Any]:
        """Runs one command and returns the JSON of its last line; `say` hears of its steps.

        `stdin` is short: what a pipe takes in at once.

        Raises:
            ProgramError: it failed.
        """
        python = str(self.python)
        command = [python, "-P", "-m", "install.leash", "--", python, "-P", "-m", module, *words]
        os.set_inheritable(self.lock, True)  # noqa: FBT003  # the library's signature
        last: list[str] = []
        try:
            with subprocess.Popen(
                command,
                env=self.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                pass_fds=(self.lock,),
            ) as process:
                try:
                    _tell(process, stdin)
                    for line in process.stderr or ():
                        last = [*last, line.strip()][-4:] if line.strip() else last
                        say(line.strip())
                    out = process.stdout.read() if process.stdout else ""
                except BaseException:
                    process.terminate()
                    raise
        finally:
            os.set_inheritable(self.lock, False)  # noqa: FBT003  # as above
        return _answer(words, process.returncode, out=out, last=last)

    def environment(self) -> dict[str, str]:
        """What it runs with: this process's own, for this home."""
        kept = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
        return {**kept, "CASEMATE_HOME": str(self.places.home), "PYTHONSAFEPATH": "1"}


def _tell(process: subprocess.Popen[str], stdin: str) -> None:
    if process.stdin is not None:
        # One that ended before it read says so by its exit code.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(stdin)
            process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def _answer(words: Sequence[str], code: int, *, out: str, last: Sequence[str]) -> dict[str, Any]:
    lines = out.strip().splitlines()
    try:
        found: Any = json.loads(lines[-1]) if lines else {}
    except ValueError:
        found = {}
    answer = found if isinstance(found, dict) else {}
    if code != 0:
        error = answer.get("error", {})
        said = str(error.get("message") or " ".join(last))[-SAID_CHARS:]
        raise ProgramError(words, said or f"exit code {code}", error.get("code"))
    return answer
