from pathlib import Path

import pytest

from install.config import Config, load, resolve, save
from install.errors import SettingError

OURS = {"cert": "/o/c.pem", "key": "/o/k.pem", "ca": "/o/ca.pem"}


def test_tls_is_remembered_until_it_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    save(path, resolve({"tls": True, "tls_names": ["Box.example", "10.0.0.7", "box.example"]}, {}))
    found = resolve({}, {}, load(path))
    assert (found.tls, found.tls_names) == (True, ("box.example", "10.0.0.7"))
    assert found.instance_url == "https://127.0.0.1:8080"
    assert found.gateway_url == "https://127.0.0.1:5052"
    assert resolve({"tls": False}, {}, found).instance_url == "http://127.0.0.1:8080"


def test_variables_do_the_same() -> None:
    found = resolve({}, {"CASEMATE_TLS": "true", "CASEMATE_TLS_NAMES": "a.test, b.test"})
    assert (found.tls, found.tls_names) == (True, ("a.test", "b.test"))
    with pytest.raises(SettingError, match="CASEMATE_TLS is true or false"):
        resolve({}, {"CASEMATE_TLS": "perhaps"})


def test_a_certificate_of_the_organisation_s_means_tls() -> None:
    assert resolve(OURS, {}).tls
    assert resolve({"ca": "/o/ca.pem"}, {}) == Config(ca="/o/ca.pem")


@pytest.mark.parametrize("flags", [{"tls": False}, {"cert": "", "tls": True}, {"cert": ""}])
def test_the_organisation_s_files_can_be_taken_back(flags: dict[str, object]) -> None:
    both = {"gateway_cert": "/o/g.pem", "gateway_key": "/o/g.key"}
    found = resolve(flags, {}, resolve({**OURS, **both}, {}))
    assert (found.cert, found.key, found.gateway_cert, found.gateway_key) == (None,) * 4
    assert found.tls == (flags.get("tls") is not False)


def test_files_are_remembered_by_their_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve({"ca": "ca.pem"}, {}).ca == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"cert": "/c", "ca": "/ca"}, "--cert and --key go together"),
        ({"cert": "/c", "key": "/k"}, "--cert goes with --ca"),
        ({**OURS, "gateway_key": "/k"}, "--gateway-cert and --gateway-key go together"),
        ({"gateway_cert": "/c", "gateway_key": "/k"}, "--gateway-cert goes with --cert"),
        ({"tls": True, "tls_names": ["no name"]}, "--tls-name takes"),
        ({"tls": True, "containers": True}, "do not go with --compose"),
        ({"ca": "/ca", "containers": True}, "do not go with --compose"),
    ],
)
def test_what_does_not_go_together_is_refused(flags: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        resolve(flags, {})
