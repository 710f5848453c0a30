from pathlib import Path

import pytest

from model_server.errors import SettingsInvalidError
from model_server.settings import default_home, read_settings


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASEMATE_HOME", raising=False)


def test_paths_lie_below_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_HOME", "/somewhere")
    settings = read_settings()
    assert settings.state_folder == Path("/somewhere/model_server")
    assert settings.api_key_file == Path("/somewhere/model_server/api_key")
    assert settings.models_list == Path("/somewhere/model_server/models.json")
    assert (settings.model_host, settings.model_port) == ("127.0.0.1", 8000)


def test_each_path_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_MODEL_SERVER_STATE", "/state")
    monkeypatch.setenv("CASEMATE_MODEL_API_KEY_FILE", "/key")
    monkeypatch.setenv("CASEMATE_MODELS_FILE", "/list.json")
    settings = read_settings()
    assert settings.state_folder == Path("/state")
    assert settings.api_key_file == Path("/key")
    assert settings.models_list == Path("/list.json")


def test_all_problems_are_listed_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_MODEL_PORT", "secret-port")
    monkeypatch.setenv("CASEMATE_MODEL_GPU_MEMORY_FRACTION", "2")
    with pytest.raises(SettingsInvalidError) as refusal:
        read_settings()
    assert len(refusal.value.problems) == 2
    assert "CASEMATE_MODEL_PORT" in str(refusal.value)
    assert "secret-port" not in str(refusal.value)


@pytest.mark.parametrize(
    ("user", "home"), [(0, "/var/lib/casemate"), (1000, "~/.local/share/casemate")]
)
def test_the_home_depends_on_the_user(
    monkeypatch: pytest.MonkeyPatch, user: int, home: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    assert default_home() == Path(home)
