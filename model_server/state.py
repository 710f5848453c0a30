"""What each model is doing, kept in `state.json` for the installer and the admin."""

import contextlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path


class Condition(StrEnum):
    """Where a model is in its life; the words stand in the file."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """One model's line; `since` is when `state` was entered, in seconds since the epoch.

    `pid` is vLLM's API process while there is one. `reason` is the last failure's sentence; it
    stays while the model starts again and is cleared when it is ready.
    """

    ref: str
    port: int
    pid: int | None = None
    state: Condition = Condition.STARTING
    reason: str | None = None
    restarts: int = 0
    since: int = 0


class StateFile:
    """The models' lines, in the order of their ports, written whole after each change."""

    def __init__(self, path: Path, models: tuple[ModelState, ...]) -> None:
        self._path = path
        self._models = {model.ref: model for model in models}
        self._write()

    def get(self, ref: str) -> ModelState:
        """One model's line as it was last written."""
        return self._models[ref]

    def put(self, model: ModelState, *, now: int) -> None:
        """Replaces one line; `since` becomes `now` when the state is another one."""
        before = self._models[model.ref]
        since = before.since if before.state is model.state else now
        self._models[model.ref] = replace(model, since=since)
        self._write()

    def _write(self) -> None:
        content = {"models": [asdict(model) for model in self._models.values()]}
        write_whole(self._path, json.dumps(content, indent=1) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Writes a file that a reader sees either as it was or as it is now."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
