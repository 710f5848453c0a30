import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from install import contents
from install.config import Config, save
from install.places import Places
from tests.fakes import parts
from tests.fakes.licence_desk import Desk, open_desk
from tests.install.conftest import Run
from tests.licence_builders import INSTANCE_ID

LICENCE = {
    "id": 3,
    "serial": "s",
    "is_demo": True,
    "licensee": {"Name": "Example Ltd"},
    "add_ons": [
        {
            "name": "duo_self_hosted",
            "quantity": 10,
            "starts_at": "2026-01-01",
            "ends_at": "2027-01-01",
            "state": "active",
            "accompanies": "duo_enterprise",
        }
    ],
    "warnings": ["It ends soon."],
}
TRUSTED = {"instance_id": INSTANCE_ID, "fingerprint": "SHA256:x", "is_demo": True}
ANSWERS: dict[str, Any] = {
    "GET /api/v4/licenses": [LICENCE],
    "GET /api/v4/license/authority": TRUSTED,
    "POST /api/v4/license": (201, LICENCE),
    "POST /api/v4/license/authority": (201, {"fingerprint": "SHA256:y", "is_demo": True}),
    "DELETE /api/v4/license/3": (204, None),
}


@pytest.fixture
def desk(places: Places, config: Config) -> Iterator[Desk]:
    save(places.config, config)
    contents.token_file(places).write_text(parts.TOKEN)
    with open_desk(config.instance_port, dict(ANSWERS)) as opened:
        yield opened


@pytest.fixture
def key(casemate: Run, tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    assert casemate("licence", "authority", "new", "--key", str(path))[0] == 0
    return path


def issue(casemate: Run, key: Path, out: Path, *more: str) -> tuple[int, str, str]:
    words = ("--key", str(key), "--instance-id", INSTANCE_ID, "--licensee", "Example Ltd")
    return casemate("licence", "issue", *words, "--out", str(out), *more)


def inspected(casemate: Run, file: Path, *more: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = casemate("licence", "inspect", str(file), "--json", *more)
    return code, json.loads(out)


def test_a_key_is_made_and_shown_to_people_and_scripts(casemate: Run, key: Path) -> None:
    shown = json.loads(casemate("licence", "authority", "show", "--key", str(key), "--json")[1])
    out = casemate("licence", "authority", "show", "--key", str(key))[1]
    assert f"public key   {shown['public_key']}" in out
    assert shown["fingerprint"] in out
    code, _, err = casemate("licence", "authority", "new", "--key", str(key))
    assert (code, "File exists" in err) == (2, True)


def test_a_licence_is_issued_and_inspected(casemate: Run, key: Path, tmp_path: Path) -> None:
    out = tmp_path / "licence.json"
    bought = ("--add-on", "duo_enterprise=50", "--add-on", "duo_self_hosted=50:duo_enterprise")
    span = ("--starts", "2026-01-01", "--ends", "2999-01-01", "--grace-days", "7")
    assert issue(casemate, key, out, *bought, *span, "--namespace", "alpha")[0] == 0
    public = json.loads(casemate("licence", "authority", "show", "--key", str(key), "--json")[1])
    code, found = inspected(casemate, out, "--public-key", public["public_key"])
    assert (code, found["signature"], found["licensee"]) == (0, "good", "Example Ltd")
    lines = [(each["name"], each["quantity"], each["accompanies"]) for each in found["add_ons"]]
    assert lines == [("duo_enterprise", 50, None), ("duo_self_hosted", 50, "duo_enterprise")]
    first = found["add_ons"][0]
    assert (first["grace_days"], first["namespace"], first["state"]) == (7, "alpha", "active")
    assert "unchecked" in casemate("licence", "inspect", str(out))[1]


def test_a_licence_lasts_a_year_from_today_unless_told_otherwise(
    casemate: Run, key: Path, tmp_path: Path
) -> None:
    issue(casemate, key, tmp_path / "l", "--add-on", "duo_pro=1")
    (line,) = inspected(casemate, tmp_path / "l")[1]["add_ons"]
    assert line["state"] == "active"
    assert int(line["ends_on"][:4]) == int(line["starts_on"][:4]) + 1


def test_a_licence_that_is_there_is_not_written_over(
    casemate: Run, key: Path, tmp_path: Path
) -> None:
    out = tmp_path / "l"
    out.write_text("mine")
    code, _, err = issue(casemate, key, out, "--add-on", "duo_pro=1")
    assert (code, "File exists" in err, out.read_text()) == (2, True, "mine")


@pytest.mark.parametrize("text", ["duo_pro", "duo_pro=many", "=5", "duo_pro=-1", "duo_pro=5²"])
def test_an_add_on_of_another_form_is_told(
    casemate: Run, key: Path, tmp_path: Path, text: str
) -> None:
    code, _, err = issue(casemate, key, tmp_path / "l", "--add-on", text)
    assert (code, "NAME=QUANTITY" in err) == (2, True)


def test_a_bad_signature_is_an_exit_code(casemate: Run, key: Path, tmp_path: Path) -> None:
    issue(casemate, key, tmp_path / "l", "--add-on", "duo_pro=1")
    other = ("licence", "authority", "new", "--key", str(tmp_path / "other"), "--json")
    public = json.loads(casemate(*other)[1])["public_key"]
    assert inspected(casemate, tmp_path / "l", "--public-key", public)[0] == 1


def test_a_file_that_is_not_there_is_named(casemate: Run) -> None:
    code, _, err = casemate("licence", "inspect", "/no/such/file")
    assert (code, "/no/such/file cannot be read" in err) == (2, True)


def test_one_authority_hands_over_to_the_next(
    casemate: Run, key: Path, monkeypatch: pytest.MonkeyPatch, desk: Desk
) -> None:
    public = json.loads(casemate("licence", "authority", "show", "--key", str(key), "--json")[1])
    words = ("licence", "hand-over", "--key", str(key), "--new-key-public", public["public_key"])
    code, text, _ = casemate(*words, "--out", "-")
    assert (code, "casemate_authority" in text) == (0, True)
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert casemate("licence", "authority", "change", "-")[1] == "SHA256:y is trusted now.\n"
    assert desk.heard[-1] == ("POST /api/v4/license/authority", {"change": text})


def test_a_licence_is_added(casemate: Run, desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "l").write_text("the file")
    code, out, _ = casemate("licence", "add", str(tmp_path / "l"))
    assert desk.heard == [("POST /api/v4/license", {"license": "the file"})]
    assert (code, "DEMO" in out, "! It ends soon." in out) == (0, True, True)
    assert json.loads(casemate("licence", "add", str(tmp_path / "l"), "--json")[1]) == LICENCE


def test_a_refusal_is_the_instances_own(casemate: Run, desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "l").write_text("the file")
    refusal = {"message": "It was changed.", "code": "licence_forged"}
    desk.answers["POST /api/v4/license"] = (400, refusal)
    code, out, err = casemate("licence", "add", str(tmp_path / "l"), "--json")
    assert (code, json.loads(out)["error"]["code"]) == (1, "licence_forged")
    assert "It was changed." in err


def test_licences_are_listed_with_whom_they_are_for(casemate: Run, desk: Desk) -> None:
    out = casemate("licence", "list")[1]
    assert f"instance id  {INSTANCE_ID}" in out
    assert "SHA256:x  DEMO, not for production" in out
    assert "goes with duo_enterprise" in out
    found = json.loads(casemate("licence", "list", "--json")[1])
    assert found == {**TRUSTED, "licences": [LICENCE]}
    desk.answers["GET /api/v4/license/authority"] = {
        **TRUSTED,
        "fingerprint": None,
        "is_demo": False,
    }
    assert "authority    none yet\n" in casemate("licence", "list")[1]


@pytest.mark.usefixtures("desk")
def test_a_licence_is_removed(casemate: Run) -> None:
    assert casemate("licence", "remove", "3")[1] == "The licence 3 is removed.\n"
    assert json.loads(casemate("licence", "remove", "3", "--json")[1]) == {"id": 3}
    assert casemate("licence", "remove", "4")[0] == 1


@pytest.mark.usefixtures("places")
def test_without_an_appliance_there_is_nothing_to_ask(casemate: Run) -> None:
    assert casemate("licence", "list")[0] == 3
