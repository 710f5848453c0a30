import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from appliance.audit.rules import SYSTEM
from appliance.errors import ApplianceError
from appliance.first_contents import Answers, AnswersError, fill, read_answers
from appliance.gateway_feed.rules import encode
from appliance.model_selection.rules import FeatureSetting
from appliance.model_selection.usecases import list_features, reset_features
from appliance.opening import open_database
from appliance.self_hosted_models.errors import EndpointNotAllowedError
from appliance.storage.sealing import MasterKeyMissingError, MasterKeyWrongError
from gateway.contract.catalog import load_catalog
from gateway.contract.introspection import is_well_formed_pat
from tests.appliance.conftest import FilledHome
from tests.instance_builders import NOW, GatewayKeys, some_answers

EVERYTHING = ["master_key", "instance", "signing_key", "feed_key", "admin", "gateway", "model"]


def _answers(filled: FilledHome, **model: object) -> Answers:
    return some_answers(filled.home, filled.keys, **model)


def _files(filled: FilledHome) -> dict[str, bytes]:
    found = filled.home.rglob("*")
    return {str(path): path.read_bytes() for path in found if path.is_file()}


def test_a_new_instance_gets_everything(tmp_path: Path, empty_url: str) -> None:
    filled = FilledHome(tmp_path, empty_url, GatewayKeys(), "")
    result = fill(filled.settings(), _answers(filled), now=NOW)
    assert result.created == EVERYTHING
    assert not result.changed
    assert result.summary()["issuer"] == "http://127.0.0.1:8080"
    for path in (tmp_path / "credentials").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert is_well_formed_pat(filled.secret("token"))


def test_a_second_time_changes_nothing(filled: FilledHome) -> None:
    before = _files(filled)
    result = fill(filled.settings(), _answers(filled), now=NOW)
    assert (result.created, result.changed, result.warnings) == ([], [], [])
    assert result.instance_id == filled.instance_id
    assert _files(filled) == before


def test_another_model_is_taken_over(filled: FilledHome) -> None:
    changes = {"ref": "other", "identifier": "o", "endpoint": "http://127.0.0.1:9/v1"}
    result = fill(filled.settings(), _answers(filled, **changes), now=NOW)
    assert set(result.changed) == {"model.ref", "model.endpoint", "model.identifier"}
    again = fill(filled.settings(), _answers(filled, **changes), now=NOW)
    assert (again.created, again.changed) == ([], [])


def _settings(filled: FilledHome) -> Mapping[str, FeatureSetting | None]:
    catalog = load_catalog()
    with closing(open_database(filled.settings())) as db:
        found = db.read_blocking(lambda session: list_features(session, catalog=catalog))
    return {each.name: each.setting for each in found}


def test_the_local_model_is_assigned_to_every_feature_it_suits(filled: FilledHome) -> None:
    suited = [
        name for name, each in load_catalog().features.items() if "general" in each.model_families
    ]
    assert suited
    for name, setting in _settings(filled).items():
        assert (setting is not None) == (name in suited)
        if setting is not None:
            assert (setting.default_ref, setting.allowed) == ("smollm2-135m-instruct", None)


def test_what_an_admin_made_of_it_is_left_alone_and_follows_the_ref(filled: FilledHome) -> None:
    catalog = load_catalog()
    with closing(open_database(filled.settings())) as db:
        db.write_blocking(
            lambda session: reset_features(
                session, ["duo_chat"], catalog=catalog, actor=SYSTEM, now=NOW
            )
        )
    fill(filled.settings(), _answers(filled, ref="other"), now=NOW)
    settings = _settings(filled)
    assert settings["duo_chat"] is None
    code = settings["code_completions"]
    assert code is not None
    assert code.default_ref == "other"


def test_another_api_key_is_taken_over(filled: FilledHome) -> None:
    (filled.home / "api_key").write_text("another")
    result = fill(filled.settings(), _answers(filled), now=NOW)
    assert result.changed == ["model.api_key"]


def test_a_gateway_with_new_keys_is_taken_over(filled: FilledHome) -> None:
    answers = some_answers(filled.home, GatewayKeys())
    assert fill(filled.settings(), answers, now=NOW).changed == ["gateway.keys"]


def test_a_missing_credentials_file_is_reported_and_not_made(filled: FilledHome) -> None:
    (filled.home / "credentials" / "admin_token").unlink()
    result = fill(filled.settings(), _answers(filled), now=NOW)
    assert len(result.warnings) == 1
    assert "users token admin" in result.warnings[0]
    assert not (filled.home / "credentials" / "admin_token").exists()


def test_credentials_that_lie_there_already_are_used(tmp_path: Path, empty_url: str) -> None:
    filled = FilledHome(tmp_path, empty_url, GatewayKeys(), "")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "admin_password").write_text("chosen by hand\n")
    fill(filled.settings(), _answers(filled), now=NOW)
    assert filled.secret("password") == "chosen by hand"


def test_a_token_file_with_something_else_is_refused(tmp_path: Path, empty_url: str) -> None:
    filled = FilledHome(tmp_path, empty_url, GatewayKeys(), "")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "admin_token").write_text("not one")
    with pytest.raises(AnswersError, match="remove it"):
        fill(filled.settings(), _answers(filled), now=NOW)


def test_a_lost_master_key_is_not_made_anew(filled: FilledHome) -> None:
    (filled.home / "keys" / "master.key").unlink()
    with pytest.raises(MasterKeyMissingError):
        fill(filled.settings(), _answers(filled), now=NOW)
    assert not (filled.home / "keys" / "master.key").exists()


def test_another_master_key_is_found_out(filled: FilledHome) -> None:
    path = filled.home / "keys" / "master.key"
    path.write_text("A" * 43 + "=")
    with pytest.raises(MasterKeyWrongError):
        fill(filled.settings(), _answers(filled), now=NOW)


def test_without_a_model_the_rest_is_made(tmp_path: Path, empty_url: str) -> None:
    filled = FilledHome(tmp_path, empty_url, GatewayKeys(), "")
    answers = _answers(filled).model_copy(update={"model": None})
    assert fill(filled.settings(), answers, now=NOW).created == EVERYTHING[:-1]


def test_a_refused_model_leaves_nothing_half_made(tmp_path: Path, empty_url: str) -> None:
    filled = FilledHome(tmp_path, empty_url, GatewayKeys(), "")
    with pytest.raises(EndpointNotAllowedError):
        fill(filled.settings(), _answers(filled, endpoint="http://8.8.8.8/v1"), now=NOW)
    with pytest.raises(ApplianceError):
        fill(filled.settings(), _answers(filled, family="unknown"), now=NOW)
    assert fill(filled.settings(), _answers(filled), now=NOW).created == EVERYTHING[1:]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "JSON"), ("{}", "admin"), ('{"admin": 1, "canary": 2}', "canary: Extra")],
)
def test_answers_of_another_form_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "answers.json"
    path.write_text(text)
    with pytest.raises(AnswersError, match=reason):
        read_answers(path)


def test_answers_are_read_from_a_file(tmp_path: Path) -> None:
    path, keys = tmp_path / "answers.json", GatewayKeys()
    path.write_text(json.dumps(some_answers(tmp_path, keys).model_dump(mode="json")))
    assert read_answers(path).gateway.signing_key == encode(keys.signing_public)
    with pytest.raises(AnswersError, match="cannot be read"):
        read_answers(tmp_path / "none.json")
