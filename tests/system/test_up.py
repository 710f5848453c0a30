"""`up` from a clone to a real answer, and again."""

import json
import stat
from pathlib import Path

import httpx
import pytest

from tests.system.driver import Appliance

TOLD = {
    "home",
    "instance_url",
    "gateway_url",
    "model_url",
    "username",
    "password_file",
    "token_file",
    "model",
    "answer",
}


def secrets_of(appliance: Appliance) -> dict[str, bytes]:
    """Every file that holds a secret or a key, by its name."""
    private = [
        path
        for path in appliance.home.rglob("*")
        if path.is_file()
        and "envs" not in path.relative_to(appliance.home).parts
        and (
            path.suffix in {".key", ".pem"}
            or path.name in {"api_key", "admin_password", "admin_token"}
        )
    ]
    assert len(private) >= 6
    return {str(path): path.read_bytes() for path in private}


def test_up_tells_where_everything_is_and_answers_a_real_question(appliance: Appliance) -> None:
    assert appliance.told.keys() >= TOLD
    assert appliance.told["answer"].strip()
    assert appliance.told["tokens_per_second"] > 0


def test_a_demonstration_is_marked_as_one(appliance: Appliance) -> None:
    assert appliance.told["is_demo_licence"]
    assert "DEMO LICENCE" in appliance.casemate("status").stdout
    assert "Demo licence" in httpx.get(appliance.told["instance_url"], trust_env=False).text


def test_no_one_else_can_read_a_secret(appliance: Appliance) -> None:
    for path in secrets_of(appliance):
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600, path


def test_a_second_up_starts_nothing_anew_and_changes_no_secret(appliance: Appliance) -> None:
    before, processes = secrets_of(appliance), {each.pid for each in appliance.processes()}
    again = appliance.up()
    assert again["restarted"] == []
    assert again["changed"] == []
    assert secrets_of(appliance) == before
    assert {each.pid for each in appliance.processes()} == processes


def test_no_secret_is_in_the_process_list_or_a_log(appliance: Appliance) -> None:
    secrets = [
        (appliance.home / name).read_text().strip()
        for name in (
            "model_server/api_key",
            "credentials/admin_password",
            "credentials/admin_token",
        )
    ]
    shown = [each.command for each in appliance.processes()]
    shown += [path.read_text(errors="replace") for path in (appliance.home / "logs").iterdir()]
    assert not [secret for secret in secrets for text in shown if secret in text]


def test_the_installed_program_does_what_people_need(appliance: Appliance) -> None:
    status = appliance.casemate("status")
    assert status.returncode == 0, status.stdout + status.stderr
    asked = appliance.casemate("ask", "Say yes.", "--max-tokens", "8")
    assert (asked.returncode, bool(asked.stdout.strip())) == (0, True), asked.stderr
    listed = appliance.casemate("models", "list")
    assert appliance.told["model"] in listed.stdout
    checked = appliance.casemate("models", "check", appliance.told["model"])
    assert checked.returncode == 0, checked.stdout + checked.stderr
    minted = appliance.casemate("token")
    assert appliance.question(minted.stdout.strip()).status_code == 200
    assert appliance.casemate("logs", "gateway", "-n", "5").stdout.strip()


def test_an_endpoint_outside_the_allowed_networks_is_refused_when_saved(
    appliance: Appliance,
) -> None:
    added = appliance.casemate(
        *(
            "models",
            "add",
            "far",
            "--endpoint",
            "http://198.51.100.7:8000/v1",
            "--identifier",
            "far",
        )
    )
    assert added.returncode != 0
    assert "allowed networks" in added.stdout + added.stderr
    assert "far" not in appliance.casemate("models", "list").stdout


def test_a_user_made_on_the_box_can_ask_and_is_no_admin(appliance: Appliance) -> None:
    made = appliance.casemate("users", "create", "ada", "--email", "ada@example.test")
    assert made.returncode == 0, made.stdout + made.stderr
    given = appliance.casemate("seats", "give", "duo_enterprise", "ada")
    assert given.returncode == 0, given.stdout + given.stderr
    told = appliance.casemate("users", "token", "ada", "--scopes", "ai_features")
    personal = {"PRIVATE-TOKEN": json.loads(told.stdout.splitlines()[-1])["token"]}
    instance = appliance.told["instance_url"]
    with httpx.Client(base_url=instance, headers=personal, trust_env=False) as http:
        granted = http.post("/api/v4/ai/access_tokens")
        assert granted.status_code == 201
        assert http.get("/api/v4/users").status_code == 403
    assert appliance.question(granted.json()["token"]).status_code == 200


@pytest.mark.parametrize("path", ["/-/health", "/-/readiness", "/api/v4/version", "/"])
def test_the_instance_shows_how_it_is(appliance: Appliance, path: str) -> None:
    headers = {"PRIVATE-TOKEN": appliance.personal_token()}
    url = appliance.told["instance_url"] + path
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 200


def test_a_taken_port_stops_up_before_anything_is_installed(
    appliance: Appliance, tmp_path: Path
) -> None:
    other = Appliance(home=tmp_path / "other")
    other.ports["GATEWAY_PORT"] = appliance.ports["GATEWAY_PORT"]
    done = other.run("python3", "-m", "install", "up", "--json")
    assert done.returncode == 2
    assert str(other.ports["GATEWAY_PORT"]) in done.stderr
    assert not (tmp_path / "other" / "envs").exists()
