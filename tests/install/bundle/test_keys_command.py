import json
from datetime import timedelta
from pathlib import Path

import pytest

from install.bundle import program
from install.bundle.signers import SigningKey
from install.bundle.statements import to_time


def bundle(*words: object) -> int:
    return program.main([str(each) for each in words], carried=None)


def test_a_new_key_is_shown_with_its_fingerprint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle("key", "new", tmp_path / "key", "--name", "Example Maker", "--years", "2") == 0
    key = SigningKey.load(tmp_path / "key")
    told = capsys.readouterr().out
    assert key.fingerprint in told
    assert "Example Maker" in told
    assert "PRIVATE" not in told
    statement = key.signer.statement
    lasts = to_time(statement.expires) - to_time(statement.not_before)
    assert lasts == timedelta(days=730)
    bundle("key", "show", tmp_path / "key")
    assert capsys.readouterr().out == told


def test_a_changed_key_names_the_one_before_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle("key", "new", tmp_path / "old", "--name", "Example Maker")
    capsys.readouterr()
    assert bundle("key", "change", tmp_path / "old", tmp_path / "new", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["name"] == "Example Maker"
    assert told["earlier"] == [SigningKey.load(tmp_path / "old").fingerprint]
    bundle("key", "show", tmp_path / "new")
    assert f"after {told['earlier'][0]}" in capsys.readouterr().out


def test_a_key_is_not_made_over_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle("key", "new", tmp_path / "key")
    assert bundle("key", "new", tmp_path / "key", "--json") == 2
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["error"]["code"] == "signing_key_unusable"


@pytest.mark.parametrize("years", ["0", "31", "x"])
def test_a_key_lasts_some_years(years: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        bundle("key", "new", tmp_path / "key", "--years", years)
    assert caught.value.code == 2
    assert not (tmp_path / "key").exists()
