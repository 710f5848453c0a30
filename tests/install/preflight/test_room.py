from pathlib import Path

from install.config import Config
from install.places import Places
from install.preflight import room
from install.preflight.machine import RUNNING_BYTES
from install.preflight.room import Need
from tests.install.preflight.builders import DIGEST, WHEELS, a_manifest, a_model

MODELS = {**WHEELS, "models/tiny/model.safetensors": 500}


def total(places: Places, sizes: dict[str, int]) -> int:
    manifest = a_manifest(sizes, models=[a_model()] if sizes is MODELS else [])
    wanted = room.needs(places, Config(), manifest, device="cpu", engine_root=None)
    return sum(each.needed_bytes for each in wanted) - RUNNING_BYTES


def test_packages_take_three_times_their_wheels_and_models_their_size(places: Places) -> None:
    assert total(places, MODELS) == 3 * 3_000 + 500


def test_what_is_there_already_takes_nothing(places: Places) -> None:
    packages = places.packages / f"services-{DIGEST[:12]}"
    packages.mkdir(parents=True)
    (packages / "stamp.json").write_text("{}")
    (places.models / f"tiny@{DIGEST[:12]}").mkdir()
    assert total(places, MODELS) == 3 * 2_000


def test_the_database_is_copied_before_it_is_migrated(places: Places) -> None:
    (places.home / "instance" / "casemate.db").write_bytes(bytes(100))
    assert total(places, {}) == 300


def test_images_go_to_the_engines_own_folder(places: Places, tmp_path: Path) -> None:
    settings = Config(containers=True)
    wanted = room.needs(places, settings, a_manifest(), device="cpu", engine_root=tmp_path)
    assert wanted[-1] == Need(folder=tmp_path, needed_bytes=0)
    assert wanted[1].needed_bytes == 3 * 1_000


def test_each_file_system_is_judged_once(places: Places) -> None:
    wanted = [Need(folder=places.home / "not there", needed_bytes=10**18)] * 2
    (found,) = room.look(wanted)
    assert "2000000000.0 GB are needed" in found.problems[0]
