from pathlib import Path

import pytest

from install.config import Config, load, resolve, save
from install.errors import SettingError

KEY = "A" * 42 + "E"


def test_a_flag_wins_over_a_variable_and_a_variable_over_what_is_remembered() -> None:
    remembered = Config(instance_port=1000, gateway_port=1001, model_port=1002)
    environment = {"CASEMATE_INSTANCE_PORT": "2000", "CASEMATE_GATEWAY_PORT": "2001"}
    found = resolve({"instance_port": "3000"}, environment, remembered)
    assert (found.instance_port, found.gateway_port, found.model_port) == (3000, 2001, 1002)


def test_defaults_hold_before_the_first_up() -> None:
    found = resolve({}, {})
    assert found == Config()
    assert not found.is_public


def test_metrics_ports_follow_the_instance_unless_told() -> None:
    assert Config().ports["instance metrics"] == 8083
    assert Config().ports["gateway metrics"] == 8082
    moved = resolve({"instance_port": "9000", "gateway_metrics_port": "1234"}, {})
    assert (moved.ports["instance metrics"], moved.ports["gateway metrics"]) == (9003, 1234)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
def test_a_port_that_is_none_is_refused_by_its_flag(port: str) -> None:
    with pytest.raises(SettingError, match="--instance-port takes a port") as caught:
        resolve({"instance_port": port}, {})
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("flags", "said"),
    [({"listen": "everywhere"}, "--listen takes an address"), ({"device": "tpu"}, "one of auto")],
)
def test_other_values_that_cannot_be_used_are_refused(flags: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        resolve(flags, {})


@pytest.mark.parametrize(
    ("listen", "is_public", "url"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:8080"),
        ("::1", False, "http://[::1]:8080"),
        ("::", True, "http://[::1]:8080"),
        ("10.1.2.3", True, "http://10.1.2.3:8080"),
    ],
)
def test_this_machine_reaches_what_listens(listen: str, is_public: bool, url: str) -> None:
    found = resolve({"listen": listen}, {})
    assert found.is_public == is_public
    assert found.instance_url == url
    assert found.model_url == "http://127.0.0.1:8000/v1"


def test_settings_of_the_services_are_remembered_privately(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    url = "postgresql://casemate:geheim@10.0.0.1/casemate"
    save(path, resolve({}, {"CASEMATE_DATABASE_URL": url}))
    assert path.stat().st_mode & 0o777 == 0o600
    found = load(path)
    assert found
    assert found.handed_on == {"CASEMATE_DATABASE_URL": url}
    assert "geheim" not in repr(found)
    assert resolve({}, {}, found).handed_on == found.handed_on


def test_a_model_folder_is_remembered_as_an_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve({"model": "weights"}, {}).model == str(tmp_path / "weights")
    assert resolve({"model": "starter"}, {}, Config(model="/srv/m")).model == "starter"


def test_files_of_the_gateway_are_where_the_shell_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = resolve({}, {"CASEMATE_UPSTREAMS_FILE": "own/upstreams.toml"})
    assert found.handed_on == {"CASEMATE_UPSTREAMS_FILE": str(tmp_path / "own" / "upstreams.toml")}


def test_nothing_is_remembered_before_the_first_up(tmp_path: Path) -> None:
    assert load(tmp_path / "config.json") is None


@pytest.mark.parametrize("text", ["{", "[]", '{"instance_port": "many"}', "3"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(SettingError):
        load(path)


def test_a_name_of_a_newer_release_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"instance_port": 9000, "colour": "blue"}')
    assert load(path) == Config(instance_port=9000)


@pytest.mark.parametrize(
    "text",
    [
        f"{KEY}\n",
        f"{KEY}=",
        f"public key   {KEY}\nfingerprint  SHA256:x\n",
        f'{{"public_key": "{KEY}", "fingerprint": "SHA256:x"}}',
    ],
)
def test_an_authority_s_key_is_taken_from_its_file_and_remembered(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "authority").write_text(text)
    told = resolve({"licence_authority": str(tmp_path / "authority")}, {})
    assert told.licence_authority == KEY
    save(tmp_path / "config.json", told)
    assert resolve({}, {}, load(tmp_path / "config.json")) == told
    assert resolve({"licence_authority": ""}, {}, told).licence_authority is None


@pytest.mark.parametrize("text", [None, "", "short", f"{KEY}{KEY}"])
def test_a_file_without_such_a_key_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "authority").write_text(text)
    with pytest.raises(SettingError, match="--licence-authority"):
        resolve({"licence_authority": str(tmp_path / "authority")}, {})


def test_a_bare_appliance_stays_bare_until_told_otherwise() -> None:
    bare = resolve({"bare": True}, {})
    assert bare.bare
    assert resolve({"bare": None}, {}, bare).bare
    assert not resolve({"bare": False}, {}, bare).bare
    assert resolve({}, {"CASEMATE_BARE": "true"}).bare
    with pytest.raises(SettingError, match="CASEMATE_BARE is true or false"):
        resolve({}, {"CASEMATE_BARE": "perhaps"})


def test_systemd_is_remembered_and_taken_back(tmp_path: Path) -> None:
    remembered = resolve({"systemd": True}, {})
    save(tmp_path / "config.json", remembered)

    assert load(tmp_path / "config.json") == remembered
    assert resolve({}, {}, remembered).systemd
    assert not resolve({"systemd": False}, {}, remembered).systemd


def test_containers_are_not_systemds_to_keep() -> None:
    with pytest.raises(SettingError, match="exclude each other"):
        resolve({"systemd": True, "containers": True}, {})
