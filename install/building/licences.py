"""The licences of everything carried: their texts as files, and one table of them."""

from collections.abc import Iterable
from pathlib import Path

from install.building import wheels
from install.building.order import written
from install.building.wheels import About

HEAD = """# Licences of what this bundle carries

Casemate itself is under the Apache License 2.0 (docs/LICENSE). Each package's own texts lie below
`licences/`, as its wheel has them. Where a wheel has none, the table says so.

| package | version | licence | texts |
|---|---|---|---|
"""
FOLDER = "licences"


def gather(described: dict[str, About], sources: dict[str, Path], work: Path) -> dict[str, Path]:
    """Takes the texts out of the wheels; returns them, and the table, by their paths.

    `described` and `sources` are by the wheels' paths in the bundle.
    """
    found: dict[str, Path] = {}
    for path, about in described.items():
        folder = work / FOLDER / _safe(about.title)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in wheels.texts(sources[path], about).items():
            found[f"{FOLDER}/{_safe(about.title)}/{name}"] = written(folder / name, content)
    folder = work / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    listed = written(folder / "LICENCES.md", table(described.values()).encode())
    return {**found, "docs/LICENCES.md": listed}


def table(packages: Iterable[About]) -> str:
    """All packages once, in the order of their names."""
    lines = {
        (
            each.name,
            each.version,
        ): f"| {each.name} | {each.version} | {_cell(each)} | {_texts(each)} |"
        for each in packages
    }
    return HEAD + "".join(f"{lines[key]}\n" for key in sorted(lines))


def _cell(about: About) -> str:
    unnamed = "not named; see its text" if about.texts else "not said"
    return (about.licence or unnamed).replace("|", "/")


def _texts(about: About) -> str:
    return str(len(about.texts)) if about.texts else "**none in the wheel**"


def _safe(title: str) -> str:
    return title.replace("!", "_")
