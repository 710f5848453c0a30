"""What a wheel says of itself: name, version, licence, the texts of its licence."""

import re
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

MAX_TEXT_BYTES = 4 * 1024 * 1024
_TEXT = re.compile(r"(?i)(licen[cs]e|copying|notice|copyright|authors|third.?party).*")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.+-]+")
_CLASSIFIER = "License :: "
# Some put a whole licence's text where its name belongs.
MAX_NAMED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """One package. `licence` is what it calls its own, None when it says nothing.

    `is_expression` is for SPDX's way to say it. `texts` are paths within the wheel.
    """

    name: str
    version: str
    licence: str | None
    is_expression: bool
    texts: tuple[str, ...]

    @property
    def title(self) -> str:
        """Name and version as one name for a folder."""
        return f"{self.name}-{self.version}"


def about(wheel: Path) -> About:
    """Reads a wheel's own description."""
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        metadata = next(name for name in names if _is_metadata(name))
        found = HeaderParser().parsestr(packed.read(metadata).decode("utf-8", "replace"))
    folder = metadata.rsplit("/", 1)[0]
    expression = found["License-Expression"]
    return About(
        name=re.sub(r"[-_.]+", "-", found["Name"]).lower(),
        version=found["Version"],
        licence=expression or _named(found["License"], found.get_all("Classifier") or []),
        is_expression=expression is not None,
        texts=tuple(sorted(name for name in names if _is_text(name, folder))),
    )


def texts(wheel: Path, found: About) -> dict[str, bytes]:
    """The licence texts by names that a bundle can carry, which differ in more than case."""
    kept: dict[str, bytes] = {}
    taken: set[str] = set()
    with zipfile.ZipFile(wheel) as packed:
        for path in found.texts:
            if packed.getinfo(path).file_size > MAX_TEXT_BYTES:
                continue
            inside = path.split(".dist-info/", 1)[1].removeprefix("licenses/")
            name = _NOT_IN_A_NAME.sub("_", inside.replace("/", "_")).lstrip(".+-") or "LICENCE"
            while name.lower() in taken:
                name = f"{name}_"
            taken.add(name.lower())
            kept[name] = packed.read(path)
    return kept


def _is_metadata(name: str) -> bool:
    folder, _, file = name.partition("/")
    return folder.endswith(".dist-info") and file == "METADATA"


def _is_text(name: str, folder: str) -> bool:
    if not name.startswith(f"{folder}/") or name.endswith("/"):
        return False
    inside = name[len(folder) + 1 :]
    return inside.startswith("licenses/") or bool(_TEXT.fullmatch(inside.rsplit("/", 1)[-1]))


def _named(licence: str | None, classifiers: list[str]) -> str | None:
    said = (licence or "").strip()
    if said and said.upper() != "UNKNOWN" and "\n" not in said and len(said) <= MAX_NAMED:
        return said
    named = [each.rsplit(" :: ", 1)[1] for each in classifiers if each.startswith(_CLASSIFIER)]
    return "; ".join(sorted(named)) or None
