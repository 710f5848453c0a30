from ipaddress import ip_network

import pytest

from gateway.contract.addresses import DEFAULT_NETWORKS
from gateway.contract.egress import (
    EgressPolicy,
    EgressRefusedError,
    Reason,
    folded_host,
    is_written_out,
)

EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
POLICY = EgressPolicy(DEFAULT_NETWORKS).with_hosts(["GPU-1.corp", "bücher.test", "::1"])


@pytest.mark.parametrize(
    ("host", "folded"),
    [
        ("GPU-1.Corp", "gpu-1.corp"),
        ("gpu-1.corp.", "gpu-1.corp"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("BÜCHER.test.", "xn--bcher-kva.test"),
        ("\uff4cocalhost", "localhost"),
        ("[::1]", "::1"),
        # No label is that long, so nothing is looked up for it.
        ("ü" * 64, "ü" * 64),
    ],
)
def test_a_host_has_one_form(host: str, folded: str) -> None:
    assert folded_host(host) == folded


@pytest.mark.parametrize("host", ["gpu-1.corp", "GPU-1.CORP.", "xn--bcher-kva.test", "[::1]"])
def test_a_configured_host_passes_however_it_is_written(host: str) -> None:
    POLICY.check_host(host)


@pytest.mark.parametrize(
    "host", ["gpu-2.corp", "gpu-1.corp.evil.test", "gpu-1.corp..", "", "2130706433", "127.0.0.1"]
)
def test_another_host_is_refused(host: str) -> None:
    with pytest.raises(EgressRefusedError, match="not a configured host") as refused:
        POLICY.check_host(host)
    assert refused.value.reason is Reason.HOST


def test_hosts_that_are_configured_anew_replace_the_others() -> None:
    changed = POLICY.with_hosts(["gpu-2.corp"])
    changed.check_host("gpu-2.corp")
    with pytest.raises(EgressRefusedError):
        changed.check_host("gpu-1.corp")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1", "fd12::1", "fd12::1%eth0"])
def test_an_address_of_the_networks_passes(address: str) -> None:
    POLICY.check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "198.51.100.1",
        "2001:db8::1",
        "169.254.169.254",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "2001:0:7f00:1::1",
        "fe80::1%eth0",
        "0.0.0.0",  # noqa: S104  # not bound to
        "0177.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "127.0.0.1.",
        "gpu-1.corp",
        "",
    ],
)
def test_an_address_outside_is_refused(address: str) -> None:
    with pytest.raises(EgressRefusedError, match="outside the allowed networks") as refused:
        POLICY.check_address(address)
    assert refused.value.reason is Reason.NETWORK


@pytest.mark.parametrize("address", ["169.254.169.254", "64:ff9b::7f00:1", "::ffff:10.0.0.1"])
def test_some_addresses_no_setting_opens(address: str) -> None:
    with pytest.raises(EgressRefusedError):
        EgressPolicy(EVERYWHERE).check_address(address)


def test_a_name_is_pinned_to_what_it_resolved_to() -> None:
    answers = ["10.0.0.2", "10.0.0.1", "10.0.0.2", "fd12::1"]
    assert POLICY.pin("gpu-1.corp", answers) == ("10.0.0.2", "10.0.0.1", "fd12::1")


def test_one_answer_outside_refuses_the_name_as_a_whole() -> None:
    with pytest.raises(EgressRefusedError, match=r"198\.51\.100\.1 of gpu-1\.corp") as refused:
        POLICY.pin("gpu-1.corp", ["10.0.0.1", "198.51.100.1"])
    assert refused.value.reason is Reason.NETWORK


def test_a_name_that_is_not_configured_is_not_pinned() -> None:
    with pytest.raises(EgressRefusedError) as refused:
        POLICY.pin("gpu-2.corp", ["10.0.0.1"])
    assert refused.value.reason is Reason.HOST


def test_a_name_without_an_answer_is_no_place_to_go() -> None:
    with pytest.raises(OSError, match="has no address"):
        POLICY.pin("gpu-1.corp", [])


@pytest.mark.parametrize(
    ("host", "written_out"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("[fe80::1%eth0]", True),
        ("localhost", False),
        ("127.1", False),
        ("0x7f000001", False),
        ("127.0.0.1.", False),
    ],
)
def test_forms_of_addresses_that_only_a_resolver_reads_are_names(
    host: str, *, written_out: bool
) -> None:
    assert is_written_out(host) is written_out
