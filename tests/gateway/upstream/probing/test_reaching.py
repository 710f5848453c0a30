import asyncio
import socket
import ssl
from collections.abc import Sequence
from datetime import timedelta

import pytest

from gateway.contract.addresses import DEFAULT_NETWORKS
from gateway.contract.probing import Finding, ModelCheck
from gateway.upstream.egress import AddressInfo, EgressGuard
from gateway.upstream.probing import ModelProber, reaching
from tests.certificate_builders import LONG_AGO, NOW, Organisation
from tests.fakes.faulty_endpoint import FaultyEndpoint, a_faulty_endpoint, a_mute_port, serving
from tests.gateway.upstream.probing.conftest import Check


async def fault(check: Check, endpoint: str, **more: object) -> Finding:
    """What is wrong with the address."""
    (finding,) = await check(endpoint, **more)
    assert (finding.name, finding.success) == ("address", False)
    return finding


def a_guard(*addresses: str) -> EgressGuard:
    """One for whom every name has these addresses."""

    async def look_up(_: str, port: int) -> Sequence[AddressInfo]:
        if not addresses:
            raise socket.gaierror(-2, "unknown")
        families = {True: socket.AF_INET6, False: socket.AF_INET}
        kind = socket.SOCK_STREAM
        return [(families[":" in each], kind, 6, "", (each, port)) for each in addresses]

    return EgressGuard(DEFAULT_NETWORKS, on_refused=lambda _: None, look_up=look_up)


async def fault_of(guard: EgressGuard, endpoint: str) -> Finding:
    prober = ModelProber(guard, trusted=ssl.create_default_context())
    return (await prober.check(ModelCheck(endpoint=endpoint, identifier="demo")))[-1]


async def test_what_is_no_url_gets_the_scheme_that_it_lacks(check: Check) -> None:
    found = await fault(check, "10.0.0.5:8000/v1")
    assert (found.code, found.proposes) == (
        "endpoint_invalid",
        {"endpoint": "http://10.0.0.5:8000/v1"},
    )
    assert (await fault(check, "ftp://10.0.0.5/v1")).proposes == {}


async def test_a_name_that_nobody_knows_is_named() -> None:
    found = await fault_of(a_guard(), "http://gpu-box.test/v1")
    assert found.code == "name_unresolvable"
    assert found.message == "The gateway's machine does not know the name 'gpu-box.test'."
    assert "DNS" in str(found.fix)


async def test_an_address_outside_names_the_setting_and_what_to_add(check: Check) -> None:
    found = await fault(check, "http://203.0.113.7:8000/v1")
    assert found.code == "address_not_allowed"
    assert found.message.startswith("The address 203.0.113.7 is outside the networks")
    assert "CASEMATE_ALLOWED_NETWORKS" in str(found.fix)
    assert '"fc00::/7", "203.0.113.7/32"]' in str(found.fix)


async def test_a_name_with_one_address_outside_is_refused_as_a_whole() -> None:
    found = await fault_of(a_guard("127.0.0.1", "203.0.113.7"), "http://gpu-box.test/v1")
    assert found.code == "address_not_allowed"
    assert "203.0.113.7 of gpu-box.test" in found.message


@pytest.mark.parametrize("host", ["169.254.169.254", "0.0.0.1", "[::ffff:127.0.0.1]"])
async def test_an_address_that_no_setting_opens_names_none(check: Check, host: str) -> None:
    found = await fault(check, f"http://{host}/v1")
    assert found.code == "address_never_allowed"
    assert "CASEMATE_ALLOWED_NETWORKS" not in str(found.fix)


async def test_a_closed_port_is_named(check: Check, free_port: int) -> None:
    found = await fault(check, f"http://127.0.0.1:{free_port}/v1")
    assert (found.code, found.message) == (
        "port_closed",
        f"Nothing listens at 127.0.0.1:{free_port}.",
    )
    assert "Start the model's server" in str(found.fix)


async def test_one_address_that_answers_is_enough(faulty: FaultyEndpoint) -> None:
    url = faulty.url.replace("127.0.0.1", "gpu-box.test")
    found = await fault_of(a_guard("::1", "127.0.0.1"), url)
    assert found.success, found


async def test_no_way_there_is_told_from_a_closed_port(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connect(*_: object) -> None:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(
        asyncio.get_running_loop().__class__, "sock_connect", connect, raising=False
    )
    found = await fault(check, "http://10.255.255.1:8000/v1")
    assert found.code == "unreachable"
    assert "No route to host" in found.message


async def test_a_certificate_of_an_own_authority_says_whose_and_how_to_trust_it(
    check: Check, organisation: Organisation
) -> None:
    pair = organisation.issue("model", "127.0.0.1")
    async with a_faulty_endpoint(serving(*pair)) as endpoint:
        found = await fault(check, endpoint.url)
        assert found.code == "certificate_untrusted"
        assert "does not trust" in found.message
        assert "`casemate up --ca FILE`" in str(found.fix)
        assert "CASEMATE_CA_FILE" in str(found.fix)
        assert not endpoint.asked
        believed = await check(endpoint.url, ca=organisation.ca)
        assert (
            believed[0].message == f"{endpoint.url} is reached, with a certificate that is trusted."
        )
        assert believed[-1].success


async def test_an_expired_certificate_says_until_when_it_was_good(
    check: Check, organisation: Organisation
) -> None:
    old = Organisation.make(organisation.folder / "old", now=LONG_AGO)
    pair = old.issue("model", "127.0.0.1", now=LONG_AGO)
    async with a_faulty_endpoint(serving(*pair)) as endpoint:
        for ca in (None, old.ca):
            found = await fault(check, endpoint.url, ca=ca)
            assert found.code == "certificate_expired"
            assert "it was good until 20" in found.message


async def test_a_certificate_of_the_future_blames_a_clock(
    check: Check, organisation: Organisation
) -> None:
    pair = organisation.issue("model", "127.0.0.1", now=NOW + timedelta(days=30))
    async with a_faulty_endpoint(serving(*pair)) as endpoint:
        found = await fault(check, endpoint.url)
        assert found.code == "certificate_not_yet_valid"
        assert "clock" in str(found.fix)


async def test_a_certificate_for_another_name_proposes_the_name(
    check: Check, organisation: Organisation
) -> None:
    pair = organisation.issue("model", "localhost")
    async with a_faulty_endpoint(serving(*pair)) as endpoint:
        proposed = endpoint.url.replace("127.0.0.1", "localhost")
        for ca in (None, organisation.ca):
            found = await fault(check, endpoint.url, ca=ca)
            assert found.code == "certificate_wrong_name"
            assert found.message.endswith("is made out to localhost, not to 127.0.0.1.")
            assert found.proposes == {"endpoint": proposed}
        assert (await check(proposed, ca=organisation.ca))[-1].success


async def test_tls_to_a_plain_port_proposes_http(check: Check, faulty: FaultyEndpoint) -> None:
    found = await fault(check, faulty.url.replace("http:", "https:"))
    assert (found.code, found.proposes) == ("speaks_plain_http", {"endpoint": faulty.url})


async def test_plain_http_to_a_tls_port_proposes_https(
    check: Check, organisation: Organisation
) -> None:
    pair = organisation.issue("model", "127.0.0.1")
    async with a_faulty_endpoint(serving(*pair)) as endpoint:
        found = (await check(endpoint.url.replace("https:", "http:")))[-1]
    assert (found.code, found.proposes) == ("speaks_tls", {"endpoint": endpoint.url})


async def test_a_port_that_says_nothing_to_tls_is_told_as_that(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "STEP_S", 0.2)
    async with a_mute_port() as port:
        found = await fault(check, f"https://127.0.0.1:{port}/v1")
    assert found.code == "tls_failed"
    assert "nothing within 0.2 s" in found.message


async def test_a_server_that_speaks_only_an_old_tls_is_told_as_that(
    check: Check, organisation: Organisation
) -> None:
    context = serving(*organisation.issue("model", "127.0.0.1"))
    context.set_ciphers("PSK")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with a_faulty_endpoint(context) as endpoint:
        found = await fault(check, endpoint.url)
    assert found.code == "tls_failed"
    assert "comes about" in found.message
