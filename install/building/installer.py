"""The program at a bundle's end: the installer as a ZIP, which `python3 BUNDLE` runs."""

import zipfile
from pathlib import Path

LEFT_OUT = {"__pycache__", "locks"}
FIRST_TIME = (1980, 1, 1, 0, 0, 0)

# Plain enough for a Python 2 to read, so that an old one says what is wrong.
MAIN = b'''"""Runs a bundle: python3 BUNDLE verify, apply, ..."""

import os
import platform
import sys

if sys.version_info < (3, 9):
    sys.stderr.write(
        "casemate: Python 3.9 or later is needed, this is " + platform.python_version() + ".\\n"
    )
    sys.exit(2)

if __name__ == "__main__":
    from pathlib import Path

    from install.bundle.program import main

    carried = Path(os.path.dirname(os.path.abspath(__file__)))
    sys.exit(main(sys.argv[1:], carried=carried))
'''


def write(clone: Path, release: str, target: Path) -> None:
    """Writes the ZIP; the same sources give the same bytes.

    Nothing in it is compressed, because another zlib would compress to other bytes.
    """
    about = f"casemate-{release}.dist-info/METADATA"
    metadata = f"Metadata-Version: 2.1\nName: casemate\nVersion: {release}\n"
    files = {"__main__.py": MAIN, about: metadata.encode(), **_sources(clone)}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as packed:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, date_time=FIRST_TIME)
            packed.writestr(entry, content)


def _sources(clone: Path) -> dict[str, bytes]:
    return {
        path.relative_to(clone).as_posix(): path.read_bytes()
        for path in (clone / "install").rglob("*")
        if path.is_file() and not LEFT_OUT & set(path.parts[len(clone.parts) :])
    }
