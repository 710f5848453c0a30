"""A clone of a few files with packages that were fetched, so that building needs no network."""

import hashlib
import zipfile
from pathlib import Path

from install.building.order import Order
from install.containers.wheels import DONE, folder_of
from install.places import make_folders
from tests.bundle_builders import the_signing_key
from tests.model_server.builders import a_model_folder

PROJECT = '[project]\nname = "casemate"\nversion = "0.3.0"\n'
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}\n"
PYTHON = '#!/bin/sh\necho \'{"generation": 4, "database": null}\'\n'


def a_wheel(
    folder: Path,
    name: str,
    *,
    version: str = "1.0",
    more: str = "License-Expression: MIT",
    files: dict[str, str] | None = None,
) -> Path:
    """A wheel with a description; `files` are within its `.dist-info`."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    about = f"{name.replace('-', '_')}-{version}.dist-info"
    inside = {"METADATA": METADATA.format(name=name, version=version, more=more), **(files or {})}
    with zipfile.ZipFile(wheel, "w") as packed:
        for path, text in inside.items():
            packed.writestr(zipfile.ZipInfo(f"{about}/{path}"), text)
    return wheel


def a_line(wheel: Path) -> str:
    """The wheel's line of a lock."""
    name, version = wheel.name.split("-")[:2]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{name.replace('_', '-')}=={version} --hash=sha256:{digest}\n"


def a_clone(folder: Path) -> Path:
    """What building reads of a clone; its locks list wheels that `an_order` puts on the shelf."""
    (folder / "install" / "locks").mkdir(parents=True)
    (folder / "install" / "bundle").mkdir()
    (folder / "install" / "bundle" / "program.py").write_text("def main(*_, **__): return 0\n")
    (folder / "gateway" / "prompts" / "library" / "chat").mkdir(parents=True)
    (folder / "gateway" / "prompts" / "library" / "chat" / "base.toml").write_text('a = "b"\n')
    (folder / "pyproject.toml").write_text(PROJECT)
    for name in ("README.md", "CHANGELOG.md", "LICENSE"):
        (folder / name).write_text(f"{name}\n")
    texts = {"licenses/LICENSE": "MIT text\n"}
    first = a_wheel(folder / "found", "one-thing", files=texts)
    second = a_wheel(folder / "found", "other", more="")
    locks = folder / "install" / "locks"
    (locks / "services.lock").write_text(a_line(first))
    (locks / "model-server-cpu.lock").write_text(a_line(first) + a_line(second))
    return folder


def an_order(clone: Path, work: Path, **changes: object) -> Order:
    """An order whose packages are on the shelf, and whose program says generation 4."""
    usual: dict[str, object] = {
        "clone": clone,
        "uid": 0,
        "work": work,
        "out": work.with_suffix(".bundle"),
        "key": the_signing_key().folder,
        "devices": ("cpu",),
        "models": (a_model_folder(clone / "small-model"),),
        "family": "general",
        "ready": work / "nothing",
        "has_program": True,
        "has_images": False,
    }
    order = Order(**{**usual, **changes})  # type: ignore[arg-type]  # what a test states
    _put_packages(order)
    return order


def _put_packages(order: Order) -> None:
    work = order.places
    make_folders(work)
    python = work.services / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    own = a_wheel(work.wheels, "casemate", version="0.3.0", more="License: Apache-2.0")
    (own.parent / "sources.json").write_text("{}")
    for lock in order.locks.values():
        shelf = folder_of(order.work / "wheels", lock)
        shelf.mkdir(parents=True, exist_ok=True)
        for wheel in (order.clone / "found").glob("*.whl"):
            if wheel.name.split("-")[0].replace("_", "-") in lock.read_text():
                (shelf / wheel.name).write_bytes(wheel.read_bytes())
        (shelf / DONE).touch()
