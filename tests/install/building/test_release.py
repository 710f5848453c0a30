import subprocess
from pathlib import Path

import pytest

from install.building import release
from install.building.errors import BuildRefusedError, TimeUnknownError
from install.errors import SetUpCommandError


@pytest.mark.parametrize("text", ["", "[project]\n", '[project]\nversion = "1.0rc1"\n', "[["])
def test_a_version_has_three_numbers(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(BuildRefusedError):
        release.version(tmp_path)


def test_the_told_time_comes_before_that_of_the_last_commit(tmp_path: Path) -> None:
    assert release.made_at(tmp_path, {"SOURCE_DATE_EPOCH": "0"}) == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize("told", ["yesterday", "-5", "123456789012"])
def test_a_time_that_is_none_is_refused(tmp_path: Path, told: str) -> None:
    with pytest.raises(TimeUnknownError):
        release.made_at(tmp_path, {"SOURCE_DATE_EPOCH": told})


def test_the_last_commit_says_when_it_was_made(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "init", "-q"], check=True)
    at = {"GIT_COMMITTER_DATE": "1767225600 +0000", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    commit = [*git, "commit", "-q", "--allow-empty", "-m", "first"]
    subprocess.run(commit, env=at, check=True)
    assert release.made_at(tmp_path, {}) == "2026-01-01T00:00:00Z"


def test_commits_of_a_folder_around_it_say_nothing(tmp_path: Path) -> None:
    inside = Path(__file__).parent
    with pytest.raises(TimeUnknownError):
        release.made_at(inside, {})
    with pytest.raises(TimeUnknownError):
        release.made_at(tmp_path, {})


def test_a_program_that_does_not_say_its_generation_ends_the_build(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such command >&2; exit 2\n")
    python.chmod(0o755)
    with pytest.raises(SetUpCommandError, match="no such command"):
        release.generation(python)
