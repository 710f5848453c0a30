from pathlib import Path

import pytest

from install.config import Config
from install.places import Places
from install.units import hardening
from tests.install.units.conftest import a_site

ALL = "0.0.0.0"  # noqa: S104  # no socket
NETWORKS = {"CASEMATE_ALLOWED_NETWORKS": "198.51.100.0/24, 10.0.0.0/8"}
HOME = Places(home=Path("/var/lib/casemate"), uid=0)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (Config(), ("localhost",)),
        (Config(handed_on=NETWORKS), ("localhost", "198.51.100.0/24", "10.0.0.0/8")),
        (Config(listen=ALL), ("localhost", *hardening.PRIVATE_NETWORKS)),
        (
            Config(listen=ALL, handed_on=NETWORKS),
            ("localhost", *hardening.PRIVATE_NETWORKS, "198.51.100.0/24"),
        ),
    ],
)
def test_nothing_beyond_what_was_said_can_be_reached(
    config: Config, expected: tuple[str, ...]
) -> None:
    assert hardening.networks(config) == expected


def test_the_model_server_meets_this_machine_alone() -> None:
    found = hardening.lines(a_site(HOME, Config(listen=ALL, handed_on=NETWORKS)), "model-server")
    assert [line for line in found if line.startswith("IPAddress")] == [
        "IPAddressDeny=any",
        "IPAddressAllow=localhost",
    ]


def test_scheduled_backups_reach_a_database_that_the_admin_named() -> None:
    found = hardening.lines(a_site(HOME, Config(handed_on=NETWORKS)), "renewal")
    assert "IPAddressAllow=localhost 198.51.100.0/24 10.0.0.0/8" in found


@pytest.mark.parametrize(("device", "sees"), [("cpu", False), ("cuda", True)])
def test_only_a_model_on_a_gpu_sees_devices(device: str, *, sees: bool) -> None:
    found = hardening.lines(a_site(HOME, device=device), "model-server")
    assert ("PrivateDevices=yes" in found) != sees
    assert ("DeviceAllow=char-nvidia* rw" in found) == sees


@pytest.mark.parametrize(("port", "word"), [(443, "CAP_NET_BIND_SERVICE"), (8080, "")])
def test_a_low_port_takes_one_capability(port: int, word: str) -> None:
    found = hardening.lines(a_site(HOME, Config(instance_port=port)), "instance")
    assert f"AmbientCapabilities={word}" in found
    assert f"CapabilityBoundingSet={word}" in found


def test_a_service_writes_to_its_own_folders_only() -> None:
    found = hardening.lines(a_site(HOME), "gateway")
    assert [line for line in found if line.startswith("ReadWritePaths")] == [
        "ReadWritePaths=/var/lib/casemate/gateway",
        "ReadWritePaths=/var/lib/casemate/egress",
    ]
    assert "InaccessiblePaths=-/var/lib/casemate/credentials" in found


@pytest.mark.parametrize(
    ("model", "word"), [("/srv/model", "yes"), ("/home/ada/model", "read-only")]
)
def test_peoples_homes_are_hidden_unless_the_model_lies_there(model: str, word: str) -> None:
    found = hardening.lines(a_site(HOME, Config(model=model)), "model-server")
    assert f"ProtectHome={word}" in found


def test_a_path_is_read_back_as_it_is() -> None:
    assert hardening.quoted(Path('/a b/%c"\\')) == '"/a b/%%c\\"\\\\"'
    assert hardening.quoted("/plain") == "/plain"
