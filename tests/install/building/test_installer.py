import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from install.building import installer

PROGRAM = """
from importlib.metadata import version

def main(words, *, carried):
    print(version("casemate"), words, carried)
    return 5
"""
SPARSE_BYTES = 5 * 1024**3


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    for package in ("install", "install/bundle"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text("")
    (folder / "install" / "bundle" / "program.py").write_text(PROGRAM)
    (folder / "install" / "locks").mkdir()
    (folder / "install" / "locks" / "services.lock").write_text("")
    (folder / "install" / "__pycache__").mkdir()
    (folder / "install" / "__pycache__" / "x.pyc").write_bytes(b"")
    return folder


def test_the_same_sources_give_the_same_program(clone: Path, tmp_path: Path) -> None:
    installer.write(clone, "1.2.3", tmp_path / "first.zip")
    (clone / "install" / "__init__.py").touch()
    (clone / "install" / "__init__.py").chmod(0o600)
    installer.write(clone, "1.2.3", tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_it_has_the_installer_and_neither_locks_nor_leavings(clone: Path, tmp_path: Path) -> None:
    installer.write(clone, "1.2.3", tmp_path / "installer.zip")
    with zipfile.ZipFile(tmp_path / "installer.zip") as packed:
        assert packed.namelist() == [
            "__main__.py",
            "casemate-1.2.3.dist-info/METADATA",
            "install/__init__.py",
            "install/bundle/__init__.py",
            "install/bundle/program.py",
        ]


def test_python_runs_it_behind_more_than_four_gigabytes(clone: Path, tmp_path: Path) -> None:
    installer.write(clone, "1.2.3", tmp_path / "installer.zip")
    bundle = tmp_path / "large.bundle"
    with bundle.open("wb") as file:
        file.truncate(SPARSE_BYTES)
        file.seek(SPARSE_BYTES)
        file.write((tmp_path / "installer.zip").read_bytes())
    done = subprocess.run(
        [sys.executable, "-I", str(bundle), "verify", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert done.stdout == f"1.2.3 ['verify', '--json'] {bundle}\n"


def test_its_first_lines_are_plain_for_old_pythons() -> None:
    text = installer.MAIN.decode("ascii")
    assert 'f"' not in text
    assert text.index("version_info") < text.index("from pathlib")
