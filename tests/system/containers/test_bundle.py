"""One file brings the containers, the next one upgrades them, and back again; nothing gets out."""

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
