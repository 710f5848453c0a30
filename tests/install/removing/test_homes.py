import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from install.config import Config, save
from install.places import Places
from install.removing import homes
from install.removing.homes import NoHomeError


def names(parts: tuple[homes.Part, ...]) -> list[str]:
    return [part.path.name for part in parts]


def test_a_made_home_is_ours_and_one_that_is_gone_too(places: Places, tmp_path: Path) -> None:
    places.lock.touch()
    homes.check(places)
    homes.check(replace(places, home=tmp_path / "gone"))


@pytest.mark.parametrize("home", ["/", "/home", "/usr", "/srv"])
def test_folders_of_the_system_are_refused(places: Places, home: str) -> None:
    with pytest.raises(NoHomeError, match="for itself"):
        homes.check(replace(places, home=Path(home)))


def test_a_persons_folder_and_what_is_above_it_are_refused(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(places.home / "logs"))
    for home in (places.home, places.home / "logs"):
        with pytest.raises(NoHomeError):
            homes.check(replace(places, home=home))


def test_a_folder_without_our_marks_is_refused(places: Places, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"hidden_size": 8}))
    (folder / "models").mkdir()
    with pytest.raises(NoHomeError, match="does not look like"):
        homes.check(replace(places, home=folder))
    (folder / "file").touch()
    with pytest.raises(NoHomeError, match="is no folder"):
        homes.check(replace(places, home=folder / "file"))


def test_usual_names_alone_do_not_make_a_home(places: Places, tmp_path: Path) -> None:
    other = replace(places, home=tmp_path / "ml")
    for name in ("bin", "logs", "models", "packages", "src"):
        (other.home / name).mkdir(parents=True)
    with pytest.raises(NoHomeError, match="does not look like"):
        homes.check(other)
    other.lock.touch()
    homes.check(other)


def test_the_lock_that_a_cut_removal_left_is_still_a_home(places: Places, tmp_path: Path) -> None:
    left = replace(places, home=tmp_path / "left")
    left.home.mkdir()
    left.lock.touch()
    homes.check(left)
    (left.home / "mine").touch()
    with pytest.raises(NoHomeError):
        homes.check(left)


def test_where_settings_are_lost_the_home_tells_how_its_services_ran(places: Places) -> None:
    assert homes.settings(places) == Config()
    places.config.write_text("damaged")
    assert not homes.settings(places).containers
    places.containers.mkdir()
    places.filled_containers.touch()
    assert homes.settings(places).containers
    save(places.config, Config(listen="127.0.0.2"))
    assert homes.settings(places) == Config(listen="127.0.0.2")


def test_what_data_left_is_still_a_home(places: Places, tmp_path: Path) -> None:
    kept = replace(places, home=tmp_path / "kept")
    (kept.home / "instance").mkdir(parents=True)
    save(kept.config, Config())
    homes.check(kept)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_home_of_another_user_is_refused(places: Places) -> None:
    places.home.chmod(0)
    with pytest.raises(NoHomeError, match="by this user"):
        homes.check(places)
    places.home.chmod(0o700)


def test_data_stays_when_asked_and_slots_go_first(places: Places, config: Config) -> None:
    save(places.config, config)
    places.slots.mkdir()
    (places.home / ".backup-1").mkdir()
    (places.home / "notes.txt").write_text("mine")
    kept = homes.content(places, is_data_kept=True)
    assert names(kept.goes) == [
        *("slots", ".backup-1", "envs", "logs", "model_server", "models", "run"),
    ]
    stays = names(kept.stays)
    assert {"credentials", "gateway", "instance", "keys", "notes.txt", "config.json"} <= set(stays)
    whole = homes.content(places, is_data_kept=False)
    assert names(whole.goes)[-2:] == ["run", "config.json"]
    assert whole.stays == ()


def test_sizes_count_a_linked_file_once_and_no_link(places: Places, tmp_path: Path) -> None:
    (places.models / "a").write_bytes(bytes(1000))
    (places.models / "b").hardlink_to(places.models / "a")
    (tmp_path / "big").write_bytes(bytes(5000))
    (places.models / "c").symlink_to(tmp_path / "big")
    (places.home / "elsewhere").symlink_to(tmp_path)
    found = homes.content(places, is_data_kept=False)
    assert found.bytes == 1000
    leads = {part.path.name: part.leads_to for part in found.goes if part.leads_to}
    assert leads == {"elsewhere": tmp_path}


def test_links_of_path_that_lead_into_the_home_are_ours(places: Places, tmp_path: Path) -> None:
    for name, target in (("one", places.services / "bin" / "casemate"), ("two", Path("/bin/true"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "casemate").symlink_to(target)
    path = f"{tmp_path}/one::{tmp_path}/two:{tmp_path}/one:{tmp_path}/gone"
    assert homes.links_in_path(places, path) == (tmp_path / "one" / "casemate",)


def test_folders_of_path_that_may_not_be_entered_are_passed_over(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_symlink", refuse)
    assert homes.links_in_path(places, "/closed") == ()
