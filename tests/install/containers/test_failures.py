import pytest

from install.containers.errors import (
    ComposeError,
    DiskFullError,
    GpuMissingError,
    ImageMissingError,
    NetworkError,
    PortTakenError,
)
from install.containers.failures import explained
from install.errors import InstallError


@pytest.mark.parametrize(
    ("said", "kind", "sentence"),
    [
        ("write /x: no space left on device", DiskFullError, "disk ran full"),
        (
            "driver failed: Bind for 127.0.0.1:8080 failed: port is already allocated",
            PortTakenError,
            "The port 8080 was taken",
        ),
        (
            "listen tcp4 127.0.0.1:5052: bind: address already in use",
            PortTakenError,
            "The port 5052 was taken",
        ),
        (
            'could not select device driver "nvidia" with capabilities: [[gpu]]',
            GpuMissingError,
            "container toolkit",
        ),
        ("Error: No such image: local/x:1", ImageMissingError, "The image local/x:1 is not here"),
        (
            "could not find an available, non-overlapping IPv4 address pool among the defaults",
            NetworkError,
            "docker network prune",
        ),
        (
            "conflicts with network 1 (casemate-edge): networks have same bridge name",
            NetworkError,
            "stands in the way",
        ),
        ("something\n  new", ComposeError, "`docker compose up` failed: something new"),
    ],
)
def test_what_the_plugin_says_becomes_a_sentence(
    said: str, kind: type[InstallError], sentence: str
) -> None:
    found = explained("up", said)
    assert type(found) is kind
    assert sentence in found.sentence
