import json
import os
from pathlib import Path
from typing import Any

import pytest

from appliance import __main__ as program
from tests.appliance.conftest import FilledHome
from tests.licence_builders import SigningAuthority, a_line


@pytest.fixture(autouse=True)
def home(filled: FilledHome, monkeypatch: pytest.MonkeyPatch) -> FilledHome:
    for name in [name for name in os.environ if name.startswith("CASEMATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CASEMATE_HOME", str(filled.home))
    monkeypatch.setenv("CASEMATE_DATABASE_URL", filled.url)
    return filled


@pytest.fixture
def authority() -> SigningAuthority:
    return SigningAuthority(is_demo=True)


@pytest.fixture
def licence(home: FilledHome, authority: SigningAuthority, tmp_path: Path) -> Path:
    path = tmp_path / "demo.licence"
    lines = a_line(), a_line("duo_self_hosted", accompanies="duo_enterprise")
    path.write_text(authority.licence(*lines, instance_id=home.instance_id))
    return path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert program.main(["licence", *words]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_all_is_made_once_and_then_left_as_it_is(
    authority: SigningAuthority, licence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("add", f"--authority-key={authority.public}", "--demo", "--file", str(licence))
    first = run(capsys, *words, "--seat-for-admin", "admin")
    assert first["created"] == ["licence_authority", "licence", "seats"]
    assert (first["authority"], first["is_demo"]) == (authority.authority.fingerprint, True)
    assert first["licences"][0]["ends_on"] == "2028-01-01"
    second = run(capsys, *words, "--seat-for-admin", "admin")
    assert second == {**first, "created": []}
    assert run(capsys, "show")["licences"] == first["licences"]


def test_an_authority_may_come_alone_and_stays(
    authority: SigningAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "show")["authority"] is None
    real = SigningAuthority()
    assert run(capsys, "add", f"--authority-key={real.public}")["created"] == ["licence_authority"]
    assert program.main(["licence", "add", f"--authority-key={authority.public}", "--demo"]) == 2
    assert "licence_authority_pinned" in capsys.readouterr().err


def test_a_key_that_begins_with_a_dash_is_taken_for_a_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = (SigningAuthority() for _ in range(10_000))
    authority = next(each for each in made if each.public.startswith("-"))
    found = run(capsys, "add", f"--authority-key={authority.public}")
    assert found["authority"] == authority.authority.fingerprint


def test_nothing_is_made_when_one_part_cannot_be(
    authority: SigningAuthority, licence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["licence", "add", f"--authority-key={authority.public}", "--demo"]
    for more in (["--file", str(licence), "--seat-for-admin", "nobody"], ["--file", "/no/file"]):
        assert program.main([*words, *more]) == 2
    capsys.readouterr()
    assert run(capsys, "show")["authority"] is None
