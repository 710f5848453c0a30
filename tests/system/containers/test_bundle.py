"""One file brings the containers, the next one upgrades them, and back again; nothing gets out."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import releases
from tests.system.containers import bundled
from tests.system.containers.bundled import BundledAppliance
from tests.system.containers.idle import SERVICES
from tests.system.containers.machine import Machine
from tests.system.containers.outside import HostService, Outside

FIRST, SECOND = "0.2.0", "0.3.0"
SAID = "Yes, from the stand-in.\n"


@pytest.fixture(scope="module")
def bundles(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two releases; the second has shaped the database anew."""
    folder = tmp_path_factory.mktemp("releases")
    made = {
        FIRST: releases.a_release(folder, version=FIRST, stand_in=True),
        SECOND: releases.a_release(folder, version=SECOND, stand_in=True, generation=2),
    }
    return {
        version: bundled.build(machine, release, folder / f"{version}.bundle")
        for version, release in made.items()
    }


@pytest.fixture(scope="module")
def appliance(machine: Machine, outside: Outside) -> Iterator[BundledAppliance]:
    assert outside.pid
    made = BundledAppliance(machine=machine, home=machine.folder / "bundled", model_server_image="")
    yield made
    made.casemate("down")


def test_a_bundle_installs_upgrades_and_goes_back(
    appliance: BundledAppliance,
    bundles: dict[str, Path],
    outside: Outside,
    host_service: HostService,
) -> None:
    """Every image is the bundle's own, and of the services none gets out at any time."""
    for version, bundle in bundles.items():
        told = appliance.apply(bundle)
        assert (told["release"], appliance.status()["state"]) == (version, "ready")
        assert appliance.answer() == SAID
        carried = {each["service"]: each["tag"] for each in bundled.inspected(bundle)["images"]}
        running = appliance.images()
        assert {name: carried[name] for name in running} == running
        assert appliance.ways_out(outside, host_service) == {}
    token = appliance.access_token()
    done = appliance.casemate("bundle", "rollback", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f":{FIRST}-" in appliance.images()[name] for name in SERVICES)
    assert appliance.answer() == SAID
    assert appliance.up_again()["restarted"] == []
    # Signed by the release after, by keys that the rollback left alone.
    assert appliance.stream(token)[-1] == "data: [DONE]"
    assert appliance.ways_out(outside, host_service) == {}
    assert appliance.unlocked(), "the outside answers nobody, so the probes show nothing"


def test_a_backup_answers_beside_what_runs(
    appliance: BundledAppliance, bundles: dict[str, Path], machine: Machine
) -> None:
    """It is restored and asked on volumes of its own, of which nothing is left."""
    # After a rollback the database is ahead of the program, which would not restore it.
    appliance.apply(bundles[SECOND])
    before = {name: told["Id"] for name, told in appliance.inspected().items()}
    volumes = machine.docker("volume", "ls", "--quiet").stdout
    secret = appliance.home.with_name("passphrase")
    secret.write_text("a passphrase of the tests\n")
    secret.chmod(0o600)
    words = ("--passphrase-file", str(secret), "--json")
    made = appliance.casemate("backup", *words)
    assert made.returncode == 0, made.stdout + made.stderr
    tried = appliance.casemate("backup", "--test", *words)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert json.loads(tried.stdout.splitlines()[-1])["answer"] == SAID.strip()
    assert {name: told["Id"] for name, told in appliance.inspected().items()} == before
    assert machine.docker("volume", "ls", "--quiet").stdout == volumes
    assert "trial-" not in machine.docker("ps", "--all").stdout
    assert appliance.answer() == SAID
    scheduled = appliance.casemate("backup", "schedule", "--keep", "1", *words[:2])
    assert "have this machine's clock run it" in scheduled.stdout, scheduled.stderr
    assert appliance.casemate("backup", "schedule", "run").returncode == 0
    (listed,) = json.loads(appliance.casemate("backup", "list", "--json").stdout)
    assert listed["file"] != json.loads(made.stdout.splitlines()[-1])["file"]


def test_an_engine_and_any_python_are_enough(
    machine: Machine, bundles: dict[str, Path], outside: Outside
) -> None:
    """What needs Python 3.11 runs in a container of the bundle's own image, then and later."""
    assert outside.pid
    made = BundledAppliance(
        machine=machine,
        home=machine.folder / "toolboxed",
        model_server_image="",
        program="bin/casemate",
        ports=(28180, 25152),
    )
    told = made.apply(bundles[FIRST], CASEMATE_TOOLBOX="always")
    assert (told["release"], made.status()["state"]) == (FIRST, "ready")
    assert made.answer() == SAID
    assert made.casemate("down").returncode == 0
    assert made.casemate("status").returncode == 3
