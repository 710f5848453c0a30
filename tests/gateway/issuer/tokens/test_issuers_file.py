import json
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StateError
from gateway.issuer.tokens.issuers_file import IssuerEntry, read_issuers
from tests.builders import a_jwk
from tests.fakes.gitlab import FakeGitLab, an_issuers_file, with_a_key_file

GITLAB = FakeGitLab()
TOML = """
[[issuers]]
name = "gitlab"
kind = "gitlab"
issuer = "https://gitlab.test"
discovery_url = "https://gitlab.test/.well-known/openid-configuration"
providers = ["duo"]

[[issuers]]
name = "branch"
kind = "casemate"
issuer = "https://branch.test"
key_set_url = "https://keys.branch.test:8443/keys"
"""


def read(path: Path) -> tuple[IssuerEntry, ...]:
    return read_issuers(path, taken={"http://taken.test"}, providers={"duo", "shm"})


def problems(folder: Path, *entries: dict[str, Any]) -> str:
    with pytest.raises(StateError) as refused:
        read(an_issuers_file(folder, *entries))
    return refused.value.reason or ""


def test_a_toml_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "issuers.toml"
    path.write_text(TOML)
    gitlab, branch = read(path)
    assert (gitlab.name, gitlab.kind, gitlab.providers) == ("gitlab", "gitlab", frozenset({"duo"}))
    assert gitlab.hosts == {"gitlab.test"}
    assert (branch.issuer, branch.providers) == ("https://branch.test", frozenset())
    assert branch.hosts == {"keys.branch.test"}


def test_a_json_file_with_keys_in_a_file_beside_it_asks_nobody(tmp_path: Path) -> None:
    (entry,) = read(an_issuers_file(tmp_path, with_a_key_file(GITLAB, tmp_path)))
    assert entry.hosts == frozenset()
    assert entry.key_set_file == tmp_path / "gitlab-keys.json"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "Git Lab"}, "name: small letters"),
        ({"name": "../x"}, "name: small letters"),
        ({"kind": "other"}, "kind"),
        ({"issuer": ""}, "issuer: must be the exact"),
        ({"issuer": "http://taken.test"}, "is somebody's already"),
        ({"issuer": None}, "issuer"),
        ({"discovery_url": None}, "exactly one of"),
        ({"key_set_url": "https://gitlab.test/keys"}, "exactly one of"),
        ({"discovery_url": "ftp://gitlab.test"}, "must begin with http"),
        ({"discovery_url": "https://u:p@gitlab.test/"}, "user name or password"),
        ({"discovery_url": "https://gitlab.test/?x=1"}, "query"),
        ({"discovery_url": None, "key_set_file": "missing.json"}, "key_set_file: "),
        ({"discovery_url": None, "key_set_file": "issuers.json"}, "key_set_file: "),
        ({"discovery_url": None, "key_set_file": "weak.json"}, "no RS256 key"),
        ({"providers": ["openai"]}, "there is no 'openai'"),
        ({"ca_file": "missing.pem"}, "ca_file: "),
        ({"ca_file": "weak.json"}, "ca_file: "),
        ({"surprise": True}, "surprise"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    weak = {**a_jwk(), "n": "AQAB"}
    (tmp_path / "weak.json").write_text(json.dumps({"keys": [weak]}))
    said = problems(tmp_path, GITLAB.entry(**changes))
    assert problem in said
    assert said.startswith("CASEMATE_ISSUERS_FILE: ")
    assert "issuer 1: " in said


def test_every_problem_is_listed_at_once(tmp_path: Path) -> None:
    said = problems(
        tmp_path,
        GITLAB.entry(name="X", providers=["openai"]),
        GITLAB.entry(kind="other"),
        GITLAB.entry(name="X"),
    )
    assert len(said.splitlines()) == 6
    assert "issuer 3: issuer: " in said


def test_too_many_are_a_problem(tmp_path: Path) -> None:
    entries = [GITLAB.entry(name=f"n{number}", issuer=f"i{number}") for number in range(65)]
    assert "more than 64 issuers" in problems(tmp_path, *entries)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"issuers": {}}', '{"others": []}', "[" * 9999, '{"issuers": [1]}']
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "issuers.json"
    path.write_text(text)
    with pytest.raises(StateError, match="CASEMATE_ISSUERS_FILE"):
        read(path)
    with pytest.raises(StateError, match=r"missing\.json"):
        read(tmp_path / "missing.json")
