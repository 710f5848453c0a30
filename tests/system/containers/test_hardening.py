"""What each container may do, asked of the engine and from within; and where no secret is."""

import json
from typing import Any

import pytest

from tests.system.containers.driver import ALL_SERVICES, ContainerAppliance
from tests.system.containers.idle import SERVICES
from tests.system.containers.machine import Machine

LOOK = """
import json, os
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
def can_write(path):
    try:
        open(path + '/written-by-a-test', 'w').close()
    except OSError as refusal:
        return refusal.strerror
    os.unlink(path + '/written-by-a-test')
    return 'written'
print(json.dumps({
    'user': os.getuid(), 'group': os.getgid(),
    **{name: status[name].strip() for name in ('CapEff', 'CapPrm', 'CapBnd', 'NoNewPrivs')},
    'places': {path: can_write(path) for path in ('/', '/usr', '/etc', '/tmp')},
}))
"""
NET_ADMIN = f"{1 << 12:016x}"
NOTHING = f"{0:016x}"
READ_ONLY = "Read-only file system"


def within(appliance: ContainerAppliance, service: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        appliance.containers.execute(service, ["python3", "-c", LOOK]).stdout
    )
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_privilege_and_writes_to_its_own_places_only(
    appliance: ContainerAppliance, service: str
) -> None:
    found = within(appliance, service)
    assert (found["user"], found["group"]) == (10001, 10001)
    assert {found[name] for name in ("CapEff", "CapPrm", "CapBnd")} == {NOTHING}
    assert found["NoNewPrivs"] == "1"
    refused = dict.fromkeys(("/", "/usr", "/etc"), READ_ONLY)
    assert found["places"] == {**refused, "/tmp": "written"}  # noqa: S108  # the container's


def test_the_lock_has_one_capability(appliance: ContainerAppliance) -> None:
    found = within(appliance, "lockdown")
    assert {found[name] for name in ("CapEff", "CapPrm", "CapBnd")} == {NET_ADMIN}
    assert found["NoNewPrivs"] == "1"
    assert set(found["places"].values()) == {READ_ONLY}


@pytest.mark.parametrize("service", ALL_SERVICES)
def test_the_engine_was_told_the_limits(appliance: ContainerAppliance, service: str) -> None:
    told = appliance.inspected()[service]
    host = told["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert not host["Privileged"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["PidsLimit"] > 0
    assert host["RestartPolicy"]["Name"] == "always"
    assert host["LogConfig"]["Type"] == "json-file"
    assert {"max-size", "max-file"} <= set(host["LogConfig"]["Config"])
    sockets = [each["Source"] for each in told["Mounts"] if each["Source"].endswith(".sock")]
    assert sockets == []


def test_no_secret_is_told_by_the_engine(appliance: ContainerAppliance, machine: Machine) -> None:
    folders = (appliance.home / "credentials", appliance.home / "containers" / "secrets")
    secrets = [path.read_text().strip() for each in folders for path in each.iterdir()]
    assert len(secrets) >= 5
    told = json.dumps(appliance.inspected())
    for each in appliance.inspected().values():
        told += machine.docker("history", "--no-trunc", each["Image"]).stdout
        told += machine.docker("image", "inspect", each["Image"]).stdout
        done = machine.docker("logs", each["Id"])
        told += done.stdout + done.stderr
    assert [number for number, secret in enumerate(secrets) if secret in told] == []


def test_no_secret_is_in_an_image(appliance: ContainerAppliance, machine: Machine) -> None:
    for service in ALL_SERVICES:
        image = appliance.inspected()[service]["Image"]
        run = ("run", "--rm", "--network", "none", "--entrypoint", "find", image)
        listed = machine.docker(*run, "/run/secrets", "/var/lib/casemate", check=False).stdout
        assert set(listed.split()) <= {"/var/lib/casemate", "/run/secrets"}
