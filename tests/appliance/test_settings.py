import os
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.settings import Settings, SettingsError, default_home


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CASEMATE_")]:
        monkeypatch.delenv(name)


def test_nothing_need_be_set() -> None:
    settings = Settings.from_environment()
    assert settings.home == default_home()
    assert settings.issuer == "http://127.0.0.1:8080"
    assert settings.database == f"sqlite:///{settings.home}/instance/casemate.db"
    assert settings.master_key_path == settings.home / "keys" / "master.key"
    assert "127.0.0.0/8" in {str(network) for network in settings.networks}


def test_root_and_others_have_their_own_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_home() == Path("/var/lib/casemate")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert default_home() == Path.home() / ".local" / "share" / "casemate"


def test_what_is_set_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_HOME", "/srv/casemate")
    monkeypatch.setenv("CASEMATE_INSTANCE_PORT", "9000")
    monkeypatch.setenv("CASEMATE_INSTANCE_PUBLIC_URL", "https://ai.example.org/")
    monkeypatch.setenv("CASEMATE_DATABASE_URL", "postgresql://u:canary@h/d")
    monkeypatch.setenv("CASEMATE_ALLOWED_NETWORKS", '["192.0.2.0/24"]')
    monkeypatch.setenv("CASEMATE_AI_GATEWAY_URL", "http://gateway.inside:5052/")
    monkeypatch.setenv("CASEMATE_TRUSTED_PROXIES", '["::ffff:10.0.0.0/104"]')
    settings = Settings.from_environment()
    assert settings.ai_gateway_url == "http://gateway.inside:5052"
    assert [str(network) for network in settings.proxies] == ["10.0.0.0/8"]
    assert (settings.instance_port, settings.issuer) == (9000, "https://ai.example.org")
    assert settings.database == "postgresql://u:canary@h/d"
    assert not settings.secrets_mounted
    assert [str(network) for network in settings.networks] == ["192.0.2.0/24"]
    assert "canary" not in repr(settings)


def test_every_wrong_value_is_listed_and_none_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "CASEMATE_HOME": "relative/canary",
        "CASEMATE_INSTANCE_PORT": "99999",
        "CASEMATE_GATEWAY_PUBLIC_URL": "canary://x",
        "CASEMATE_INSTANCE_PUBLIC_URL": "canary",
        "CASEMATE_ALLOWED_NETWORKS": '["canary"]',
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment()
    told = str(refusal.value)
    assert all(f"{name}: " in told for name in wrong)
    assert "canary" not in told


def test_a_list_that_is_not_json_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_ALLOWED_NETWORKS", "10.0.0.0/8")
    with pytest.raises(SettingsError, match="CASEMATE_ALLOWED_NETWORKS"):
        Settings.from_environment()


def test_signing_keys_sign_for_90_days_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings.from_environment().signing_key_life == timedelta(days=90)
    assert Settings.from_environment().key_set_max_age == timedelta(seconds=60)
    assert Settings.from_environment().models_sync_interval == timedelta(minutes=10)
    monkeypatch.setenv("CASEMATE_SIGNING_KEY_LIFE", "PT5S")
    monkeypatch.setenv("CASEMATE_KEY_SET_MAX_AGE", "PT1S")
    told = Settings.from_environment()
    assert (told.signing_key_life, told.key_set_max_age) == (
        timedelta(seconds=5),
        timedelta(seconds=1),
    )


def test_a_certificate_goes_with_its_key_and_means_https(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_TLS_CERT_FILE", "/srv/cert.pem")
    with pytest.raises(SettingsError, match="TLS_CERT_FILE and TLS_KEY_FILE go together"):
        Settings.from_environment()
    monkeypatch.setenv("CASEMATE_TLS_KEY_FILE", "/srv/key.pem")
    assert Settings.from_environment().issuer == "https://127.0.0.1:8080"
