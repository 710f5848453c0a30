import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from install.bundle import looking, program
from install.errors import InterruptError
from tests.bundle_builders import a_bundle, an_installer, the_signing_key

ROOT = Path(__file__).parents[3]
START = """
import sys
from pathlib import Path
from install.bundle.program import main
sys.exit(main(sys.argv[1:], carried=Path(sys.path[0])))
"""


@pytest.fixture(scope="module")
def carrying(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that carries its own program, as far as this folder goes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("__main__.py", START)
        for name in ("__init__.py", "errors.py", "homes.py", "progress.py"):
            file.write(ROOT / "install" / name, f"install/{name}")
        for path in (ROOT / "install" / "bundle").glob("*.py"):
            file.write(path, f"install/bundle/{path.name}")
    path = tmp_path_factory.mktemp("bundle") / "casemate-0.2.0.bundle"
    return a_bundle(path, {"docs/README.md": b"read me\n"}, installer=content.getvalue())


def run(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs the file as its reader would, with an empty environment and nothing installed."""
    environment = {"PATH": "/usr/bin:/bin", "CASEMATE_HOME": str(path.parent / "home")}
    return subprocess.run(
        [sys.executable, "-I", path, *words],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bundle_introduces_itself(carrying: Path) -> None:
    done = run(carrying)
    assert done.returncode == 0, done.stderr
    assert "usage: python3" in done.stdout
    assert "This file brings Casemate 0.2.0." in done.stdout
    assert the_signing_key().fingerprint in done.stdout


def test_a_bundle_verifies_itself(carrying: Path) -> None:
    fingerprint = the_signing_key().fingerprint
    done = run(carrying, "verify", "--json", "--fingerprint", fingerprint)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["release"] == "0.2.0"
    assert run(carrying, "verify").returncode == 2


def test_a_damaged_bundle_says_so_of_itself(carrying: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.bundle"
    path.write_bytes(carrying.read_bytes().replace(b"read me", b"read mo", 1))
    done = run(path, "verify", "--fingerprint", the_signing_key().fingerprint)
    assert done.returncode == 2
    assert "docs/README.md" in done.stderr
    assert "Traceback" not in done.stderr


def test_python_runs_a_program_behind_four_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "large.bundle"
    with path.open("wb") as file:
        file.truncate(9 * 1024**3)  # a hole, no data
        file.seek(0, 2)
        file.write(an_installer("print('here')"))
    assert run(path).stdout == "here\n"


def bundle(*words: str) -> int:
    return program.main(words, carried=None)


def test_an_installed_program_needs_a_bundle(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        bundle("inspect")
    assert caught.value.code == 2
    assert "which BUNDLE?" in capsys.readouterr().err
    assert bundle() == 2


@pytest.mark.parametrize("words", [["fly"], ["trust", "--fly"], ["inspect", "a", "b"], ["tru"]])
def test_what_is_not_known_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        bundle(*words)
    assert caught.value.code == 2


def test_help_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        bundle("--help")
    assert caught.value.code == 0
    assert "verify" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (OSError(28, "No space left on device", "/x"), 1, "No space left on device (/x)."),
        (InterruptError("what was begun is undone."), 130, "what was begun is undone."),
    ],
)
def test_what_stops_the_program_is_a_sentence(
    error: BaseException,
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_options: object) -> int:
        raise error

    monkeypatch.setattr(looking, "run_trust", fail)
    assert bundle("trust", "--json") == code
    shown = capsys.readouterr()
    assert shown.err == f"casemate: {sentence}\n"
    assert json.loads(shown.out)["error"]["message"] == sentence


def test_an_old_python_is_offered_what_it_can_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit):
        bundle("--help")
    shown = capsys.readouterr().out
    assert "verify" in shown
    assert "apply" in shown
    assert "rollback" not in shown
