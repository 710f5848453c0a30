import os
from dataclasses import replace
from pathlib import Path

import pytest

from install import beside, contents, weights
from install.api import is_ready
from install.config import Config
from install.errors import NotReadyError
from install.places import Places, make_folders

SECRET = "the master key"


@pytest.fixture
def scratch(installed: Places, tmp_path: Path) -> Places:
    """A copy of a home, but for its database."""
    (installed.home / "keys" / "master.key").write_text(SECRET)
    contents.api_key_file(installed).write_text("an API key")
    found = Places(home=tmp_path / "scratch", uid=os.geteuid())
    beside.copied_keys(installed, found)
    return found


def test_they_run_on_ports_of_their_own_and_end_with_the_block(
    installed: Places, scratch: Places, config: Config
) -> None:
    model = weights.chosen_model(installed, config)
    python = installed.services / "bin" / "python"
    with beside.running(scratch, config, model, python=python) as here:
        assert here.settings.instance_port != config.instance_port
        assert here.ask(model.ref).text
        running = is_ready(f"{here.settings.gateway_url}/monitoring/ready", scratch.home)
        assert running
    assert not is_ready(f"{here.settings.gateway_url}/monitoring/ready", scratch.home)


def test_one_that_does_not_start_is_said_with_its_last_words(
    installed: Places, scratch: Places, config: Config
) -> None:
    model = weights.chosen_model(installed, config)
    script = (installed.services / "bin" / "python").read_text().splitlines()
    broken = installed.services / "bin" / "broken"
    lines = [script[0], 'case "$*" in *"gateway serve") exit 1;; esac', *script[1:]]
    broken.write_text("\n".join(lines))
    broken.chmod(0o755)
    with (
        pytest.raises(NotReadyError, match="beside the running one"),
        beside.running(scratch, config, model, python=broken),
    ):
        pass


def test_the_copy_is_for_its_owner_alone(scratch: Places) -> None:
    key = scratch.home / "keys" / "master.key"
    assert key.read_text() == SECRET
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700


def test_links_are_not_copied(installed: Places, tmp_path: Path) -> None:
    (installed.home / "keys" / "out").symlink_to("/etc/passwd")
    target = Places(home=tmp_path / "copy", uid=os.geteuid())
    beside.copied_keys(installed, target)
    assert not (target.home / "keys" / "out").exists()


def test_addresses_and_a_databases_server_are_not_taken_over(
    installed: Places, scratch: Places, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "CASEMATE_DATABASE_URL": "postgresql://live",
        "CASEMATE_INSTANCE_PUBLIC_URL": "https://live",
        "CASEMATE_ALLOWED_NETWORKS": "10.0.0.0/8",
    }
    started: list[Config] = []
    monkeypatch.setattr(beside, "_set_up", lambda *_a, **_k: None)
    monkeypatch.setattr(beside, "_start", lambda *_a: None)
    monkeypatch.setattr(beside, "_wait", lambda *_a: None)
    monkeypatch.setattr(beside, "_end", lambda *_a: None)
    make_folders(scratch)
    settings = replace(config, tls=True, handed_on=told)
    model = weights.chosen_model(installed, config)
    with beside.running(scratch, settings, model, python=Path("python")) as here:
        started.append(here.settings)
    assert started[0].handed_on == {"CASEMATE_ALLOWED_NETWORKS": "10.0.0.0/8"}
    assert not started[0].tls
