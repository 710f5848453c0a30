"""Releases and bundles for tests: copies of this clone with another version, built as a user would.

With a stand-in for vLLM a bundle is some tens of megabytes, not a gigabyte; all else of it is real.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

from tests.model_server.builders import a_model_folder
from tests.system.driver import CLONE, PYTHON

STUB = Path(__file__).parent / "containers" / "stub_vllm.py"
COPIED = ("appliance", "gateway", "model_server", "install")
FILES = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "compose.yaml")
# What the model server itself needs, those that they need included.
NEEDED = (
    *("annotated-types", "anyio", "certifi", "h11", "httpcore", "httpx", "idna", "pydantic"),
    *("pydantic-core", "pydantic-settings", "python-dotenv", "structlog", "typing-extensions"),
    "typing-inspection",
)
STUB_VERSION = "0.0.1+standin"
FOUND = "found"
MODEL = "small-model"
MADE_AT = "1767225600"
BUILD_TIMEOUT_S = 600

_MIGRATION = '''"""One more table, which nothing uses yet."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table("later_{revision}", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("later_{revision}")
'''


def a_release(folder: Path, *, version: str, stand_in: bool, generation: int | None = None) -> Path:
    """A copy of this clone below `folder` that is another release; returns it.

    With `stand_in` its model server runs something that speaks vLLM's protocol, and its bundle
    carries a model of a few bytes. With `generation` it has one more migration and says that it is
    of that generation.
    """
    release = folder / f"casemate-{version}"
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CLONE / name, release / name, ignore=ignored)
    for name in FILES:
        shutil.copy(CLONE / name, release / name)
    _change(release / "pyproject.toml", r'(?m)^version = ".*"$', f'version = "{version}"')
    if stand_in:
        _put_stand_in(release)
    if generation is not None:
        _put_migration(release / "appliance" / "storage" / "migrations", generation)
    return release


def build(release: Path, key: Path, out: Path, *options: str) -> Path:
    """Builds the release's bundle at `out` with its own builder, signed with the key in `key`.

    The key is made where there is none. Releases in one folder share what their building fetched.
    """
    if not key.exists():
        run(release, "key", "new", str(key))
    words = ["--out", str(out), "--key", str(key), *options]
    if "--device" not in options:
        words += ["--device", "cpu"]
    if (release / MODEL).is_dir() and not {"--model", "--no-model"} & set(options):
        words += ["--model", str(release / MODEL)]
    run(release, "build", *words)
    return out


def run(release: Path, *words: str) -> str:
    """Runs `python3 -m install bundle WORDS` in the release; returns what it printed."""
    done = subprocess.run(
        [str(PYTHON), "-m", "install", "bundle", *words],
        cwd=release,
        env=environment(release),
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(release: Path) -> dict[str, str]:
    """A shell's variables, with a home for building and where the stand-in's wheel is found."""
    left_out = ("PYTEST", "COV", "CASEMATE", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    found = f"{kept.get('PIP_FIND_LINKS', '')} {release / FOUND}".strip()
    home = release.parent / "building-home"
    return {
        **kept,
        "CASEMATE_HOME": str(home),
        "PIP_FIND_LINKS": found if (release / FOUND).is_dir() else kept.get("PIP_FIND_LINKS", ""),
        "SOURCE_DATE_EPOCH": MADE_AT,
    }


def _put_stand_in(release: Path) -> None:
    a_model_folder(release / MODEL)
    wheel = stub_wheel(release / FOUND)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for lock in (release / "install" / "locks").glob("model-server-*.lock"):
        lines = [line for line in lock.read_text().splitlines() if line.split("==")[0] in NEEDED]
        assert len(lines) == len(NEEDED), lock
        lines.append(f"vllm=={STUB_VERSION} --hash=sha256:{digest}")
        lock.write_text("\n".join(lines) + "\n")


def stub_wheel(folder: Path) -> Path:
    """A wheel that has the module by which vLLM is started; always the same bytes."""
    about = f"vllm-{STUB_VERSION}.dist-info"
    files = {
        "vllm/__init__.py": b"",
        "vllm/entrypoints/__init__.py": b"",
        "vllm/entrypoints/openai/__init__.py": b"",
        "vllm/entrypoints/openai/api_server.py": STUB.read_bytes(),
        f"{about}/METADATA": (
            f"Metadata-Version: 2.1\nName: vllm\nVersion: {STUB_VERSION}\n"
            "License-Expression: Apache-2.0\n"
        ).encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{_digest(text)},{len(text)}\n" for name, text in files.items())
    files[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"vllm-{STUB_VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        for name, text in files.items():
            packed.writestr(zipfile.ZipInfo(name), text)
    return wheel


def _digest(text: bytes) -> str:
    """As a wheel's RECORD has it: URL-safe, without padding."""
    plain = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=")
    return f"sha256={plain.decode()}"


def _put_migration(migrations: Path, generation: int) -> None:
    newest = max(path.name[:4] for path in (migrations / "versions").glob("[0-9]*.py"))
    revision = f"{int(newest) + 1:04d}"
    text = _MIGRATION.format(revision=revision, before=newest)
    (migrations / "versions" / f"{revision}_later.py").write_text(text)
    pattern = r"(?m)^SCHEMA_GENERATION = \d+$"
    _change(migrations / "__init__.py", pattern, f"SCHEMA_GENERATION = {generation}")


def _change(path: Path, pattern: str, text: str) -> None:
    changed, count = re.subn(pattern, text, path.read_text())
    assert count == 1, f"{path} has {count} lines like {pattern}"
    path.write_text(changed)
