"""Serves an imported model: the program's own `up` with its folder, and back when it fails."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from install import config, locking
from install.config import Config
from install.errors import InstallError, InterruptError
from install.importing.errors import NotServedError
from install.importing.records import Imported
from install.places import Places
from install.progress import Display, Step
from install.slots.program import Program

SERVE, BACK = "Serve it, ask a question", "Back to the model before"


def serve(
    places: Places, settings: Config, imported: Imported, *, was_running: bool, display: Display
) -> dict[str, Any]:
    """Makes it the model that is served; what `up --json` says of it.

    Raises:
        NotServedError: it did not come up; the one before is served again, if it was.
    """
    handle = locking.take(places)
    with locking.held(places, handle):
        # Copying the weights may have taken long enough for another `up`.
        settings = config.load(places.config) or settings
        words = ["--compose"] if settings.containers else []
        new = ["--model", str(imported.path(places)), "--family", imported.family, *words]
        program = Program(places=places, folder=places.slot, lock=handle, began=time.time())
        try:
            with display.step(SERVE) as step:
                answer = program.up(new, say=_beside(step))
                step.result = f"{imported.ref} answers"
                return answer
        except (InstallError, InterruptError) as error:
            what = _go_back(program, settings, words, was_running=was_running, display=display)
            if isinstance(error, InterruptError):
                raise InterruptError(what) from error
            sentence = f"{imported.ref} did not come up: {error.sentence} {what}"
            raise NotServedError(sentence) from error


def _go_back(
    program: Program, settings: Config, words: Sequence[str], *, was_running: bool, display: Display
) -> str:
    """What runs now, as a sentence."""
    with display.step(BACK) as step:
        config.save(program.places.config, settings)
        try:
            if was_running:
                program.up(words, say=_beside(step))
            else:
                program.down()
        except InstallError as error:
            step.result = "failed"
            return f"The model before did not come up either: {error.sentence}"
        step.result = "as before"
    return "What ran before runs again." if was_running else "Nothing runs, as before."


def _beside(step: Step) -> Callable[[str], None]:
    def say(line: str) -> None:
        step.detail = line

    return say


def is_running(places: Places, settings: Config) -> bool:
    """Whether the services run, wholly or in part."""
    if settings.containers:
        from install.containers import operating

        return operating.look(places, settings).state != "stopped"
    from install import status

    return status.look(places, settings).state != "stopped"


def folders_in_use(places: Places, settings: Config) -> set[Path]:
    """The folders of models that are served, or that a slot serves when it is gone back to."""
    from install.slots import slot

    found = {Path(settings.model)}
    for name in slot.NAMES:
        facts = slot.read(places.slots / name)
        found |= {Path(model.path) for model in (facts.models if facts else ())}
    return found
