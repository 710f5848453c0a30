from ipaddress import ip_address, ip_network

import pytest

from gateway.contract.peers import (
    MAX_HOPS,
    UNKNOWN,
    NetworkRefusedError,
    client_address,
    folded_network,
    is_let_in,
    parse_network,
    parse_peer,
)

PROXIES = (ip_network("10.0.0.0/29"), ip_network("fd00::/64"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:443", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:c000:201]:80", "192.0.2.1"),
        # Carriers of IPv4 addresses that are hosts of their own: not folded.
        ("64:ff9b::c000:201", "64:ff9b::c000:201"),
        ("2002:c000:201::1", "2002:c000:201::1"),
        ("::192.0.2.1", "::c000:201"),
    ],
)
def test_an_address_is_read_as_servers_and_proxies_write_it(text: str, expected: str) -> None:
    assert parse_peer(text) == ip_address(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "_hidden",
        "example.test",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "127.0.0.256",
        "\uff11\uff12\uff17.0.0.1",
        "127.0.0.1:http",
        "127.0.0.1:٣",
        "127.0.0.1/8",
        "127.0.0.1%eth0",
        "[127.0.0.1]",
        "[::1",
        "[::1]x",
        "[::1]443",
        "::1]",
        "1.2.3.4 5.6.7.8",
        '"192.0.2.1"',
    ],
)
def test_other_forms_are_no_address(text: str) -> None:
    assert parse_peer(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:db8::7", "2001:db8::7/128"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.1.2.3", "10.1.2.3/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_a_network_is_read_in_one_form(text: str, expected: str) -> None:
    assert parse_network(text) == ip_network(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.0.0.5/8", "write 10.0.0.0/8"),
        ("2001:db8::1/32", "write 2001:db8::/32"),
        ("::ffff:10.0.0.5/104", "write 10.0.0.0/8"),
        ("10.0.0.0/255.0.0.0", "write 10.0.0.0/8"),
        ("10.0.0.0/33", "is no network"),
        ("10/8", "is no network"),
        ("010.0.0.0/8", "is no network"),
        ("office", "is no network"),
        ("", "is no network"),
        ("10.0.0.0/\uff18", "is no network"),
        ("fe80::1%eth0", "names a zone"),
    ],
)
def test_what_is_no_network_is_refused_with_what_to_write(text: str, reason: str) -> None:
    with pytest.raises(NetworkRefusedError, match=reason):
        parse_network(text)


def test_only_networks_of_mapped_addresses_are_folded() -> None:
    assert folded_network(ip_network("::ffff:a00:0/104")) == ip_network("10.0.0.0/8")
    assert folded_network(ip_network("::/64")) == ip_network("::/64")
    assert folded_network(ip_network("10.0.0.0/8")) == ip_network("10.0.0.0/8")


@pytest.mark.parametrize(
    ("address", "let_in"),
    [
        ("192.0.2.1", True),
        ("::ffff:192.0.2.1", True),
        ("192.0.3.1", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("64:ff9b::c000:201", False),
        ("2002:c000:201::1", False),
        (UNKNOWN, False),
        ("", False),
    ],
)
def test_an_address_is_let_in_by_one_of_the_networks(address: str, *, let_in: bool) -> None:
    networks = [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")]
    assert is_let_in(address, networks) is let_in
    assert not is_let_in(address, [])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        # Without a header, or from a peer that is not trusted, the peer is the caller.
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        # The right-most address that is no trusted proxy.
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "192.0.2.9, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7, 10.0.0.2,10.0.0.3", "198.51.100.7"),
        ("10.0.0.1", "spoofed, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"),
        ("10.0.0.1", "10.0.0.2, 198.51.100.7", "198.51.100.7"),
        # Forms.
        ("::ffff:10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("fd00::1", "[2001:db8::5]:443", "2001:db8::5"),
        ("fd00::1%eth0", "2001:db8::5", "2001:db8::5"),
        ("10.0.0.1", "198.51.100.7:80, ,, 10.0.0.2:81,", "198.51.100.7"),
        # Whom nobody can tell.
        ("", "198.51.100.7", UNKNOWN),
        ("testclient", "", UNKNOWN),
        ("10.0.0.1", "unknown", UNKNOWN),
        ("10.0.0.1", "198.51.100.7, 2130706433", UNKNOWN),
        ("10.0.0.1", "198.51.100.7, garbage, 10.0.0.2", UNKNOWN),
        ("10.0.0.1", "198.51.100.7, 127.0.0.1\x00", UNKNOWN),
    ],
)
def test_the_caller_is_the_first_address_that_is_no_trusted_proxy(
    peer: str, forwarded_for: str, expected: str
) -> None:
    assert client_address(peer, forwarded_for, PROXIES) == expected


def test_nobody_is_trusted_by_default() -> None:
    assert client_address("10.0.0.1", "198.51.100.7", ()) == "10.0.0.1"


def test_a_longer_way_than_any_network_has_names_nobody() -> None:
    proxies = ", ".join(["10.0.0.2"] * (MAX_HOPS - 1))
    assert client_address("10.0.0.1", f"198.51.100.7, {proxies}", PROXIES) == "198.51.100.7"
    assert client_address("10.0.0.1", f"198.51.100.7, 10.0.0.3, {proxies}", PROXIES) == UNKNOWN
