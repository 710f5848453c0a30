"""What was imported: a small file for each model, beside the folders of their weights."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from install.config import write_private
from install.places import Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A model that was imported; `digest` stands for all of its files, `at` is in RFC 3339."""

    ref: str
    name: str
    family: str
    context_tokens: int | None
    digest: str
    folder: str
    bytes: int
    at: str

    def path(self, places: Places) -> Path:
        """The folder of its weights."""
        return places.models / self.folder

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return asdict(self)


def _folder(places: Places) -> Path:
    return places.models / ".imported"


def write(places: Places, imported: Imported) -> None:
    """Remembers it."""
    _folder(places).mkdir(mode=0o755, exist_ok=True)
    text = json.dumps(imported.as_dict(), indent=2)
    write_private(_folder(places) / f"{imported.folder}.json", text + "\n")


def remove(places: Places, imported: Imported) -> None:
    """Forgets it."""
    (_folder(places) / f"{imported.folder}.json").unlink(missing_ok=True)


def all_of(places: Places) -> Sequence[Imported]:
    """Everything that was imported and is there, by ref; what cannot be read is left out."""
    found = []
    folder = _folder(places)
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        with suppress(OSError, ValueError, TypeError):
            imported = Imported(**json.loads(path.read_text("utf-8")))
            if imported.path(places).is_dir():
                found.append(imported)
    return found


def of_folder(places: Places, folder: Path) -> Imported | None:
    """The model whose weights lie in this folder, if it was imported."""
    found = (each for each in all_of(places) if each.path(places) == folder)
    return next(found, None)
