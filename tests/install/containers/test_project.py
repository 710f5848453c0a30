import json
from dataclasses import replace

import pytest

from install.config import Config, resolve
from install.containers import machine, project
from install.containers.engine import Engine
from install.containers.gpus import Device
from install.errors import SettingError
from install.places import Places

TAGS = {"instance": "casemate/instance:1", "gateway": "casemate/gateway:1"}


def test_each_home_has_a_project_and_a_bridge_of_its_own(places: Places) -> None:
    default = replace(places, home=machine.DEFAULT_HOME)
    assert (machine.project_name(default), machine.bridge_name(default)) == (
        "casemate",
        "casemate-edge",
    )
    assert machine.project_name(places) != "casemate"
    assert len(machine.bridge_name(places)) <= 15


def test_settings_go_on_to_the_services_that_know_them(
    ready_home: Places, containers_config: Config, found: Engine
) -> None:
    told = {"CASEMATE_FEED_STRICT_AFTER": "PT30S", "CASEMATE_SHM_SIZE": "2g"}
    config = replace(containers_config, handed_on=told)
    project.write_overrides(ready_home, config, tags=TAGS, device=Device(gpus=None))
    services = json.loads(project.services_file(ready_home).read_text())["services"]
    assert services["gateway"]["environment"] == {"CASEMATE_FEED_STRICT_AFTER": "PT30S"}
    assert services["instance"] == {"image": "casemate/instance:1"}
    here = project.find(ready_home, config, found)
    assert here.variables["CASEMATE_SHM_SIZE"] == "2g"
    assert here.environment()["CASEMATE_EDGE_BRIDGE"] == machine.bridge_name(ready_home)


def test_the_gateways_own_files_are_mounted_with_what_lies_beside_them(
    ready_home: Places, containers_config: Config
) -> None:
    told = {
        "CASEMATE_DEFINITIONS_FILE": "/etc/models/definitions.toml",
        "CASEMATE_UPSTREAMS_FILE": "/etc/upstreams/upstreams.toml",
        "CASEMATE_ISSUERS_FILE": "/etc/issuers.toml",
    }
    config = replace(containers_config, handed_on=told)
    project.write_overrides(ready_home, config, tags={}, device=Device(gpus=None))
    services = json.loads(project.services_file(ready_home).read_text())["services"]
    assert services.keys() == {"gateway"}
    environment = services["gateway"]["environment"]
    mounted = {each["source"]: each for each in services["gateway"]["volumes"]}
    assert mounted.keys() == {"/etc/models", "/etc/upstreams"}
    assert all(each["read_only"] for each in mounted.values())
    assert environment == {
        "CASEMATE_DEFINITIONS_FILE": mounted["/etc/models"]["target"] + "/definitions.toml",
        "CASEMATE_UPSTREAMS_FILE": mounted["/etc/upstreams"]["target"] + "/upstreams.toml",
        "CASEMATE_SECRETS_MOUNTED": "true",
    }


def test_gpus_are_an_override_that_goes_with_them(
    ready_home: Places, containers_config: Config, found: Engine
) -> None:
    for gpus, words in (("all", "count:"), ("2,5", 'device_ids: ["2", "5"]')):
        project.write_overrides(ready_home, containers_config, tags=TAGS, device=Device(gpus=gpus))
        assert words in project.gpus_file(ready_home).read_text()
        assert (
            project.gpus_file(ready_home)
            in project.find(ready_home, containers_config, found).files
        )
    project.write_overrides(ready_home, containers_config, tags=TAGS, device=Device(gpus=None))
    assert not project.gpus_file(ready_home).exists()


def test_the_projects_own_database_is_a_profile(
    ready_home: Places, containers_config: Config, found: Engine
) -> None:
    url = "postgresql://casemate@postgres.inside/casemate"
    config = replace(containers_config, handed_on={"CASEMATE_DATABASE_URL": url})
    command = project.find(ready_home, config, found).command("up")
    assert command[-3:] == ["--profile", "postgres", "up"]


def test_a_password_in_the_databases_address_is_refused_for_containers() -> None:
    environment = {"CASEMATE_DATABASE_URL": "postgresql://u:geheim@10.0.0.1/db"}
    resolve({}, environment)
    with pytest.raises(SettingError, match="postgres_password") as caught:
        resolve({"containers": True}, environment)
    assert "geheim" not in caught.value.sentence


def test_gpus_and_images_are_settings_that_can_be_taken_back() -> None:
    told = resolve({"containers": True, "gpus": "0, 1", "base_image": "b"}, {})
    assert (told.gpus, told.base_images) == ("0,1", ("b", "b"))
    back = resolve({"containers": True, "gpus": "", "base_image": ""}, {}, told)
    assert (back.gpus, back.base_images[0]) == (None, "python:3.11-slim-bookworm")
    with pytest.raises(SettingError, match="--gpus takes"):
        resolve({"gpus": "first"}, {})
