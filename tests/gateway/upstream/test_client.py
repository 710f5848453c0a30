import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.contract.addresses import DEFAULT_NETWORKS
from gateway.contract.egress import EgressRefusedError
from gateway.upstream import client as client_module
from gateway.upstream.client import Client, ConnectError, Origin
from gateway.upstream.connection import BrokenOffError
from gateway.upstream.egress import EgressGuard

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Endpoint:
    """Answers every request; counts its connections, and can drop them instead."""

    def __init__(self) -> None:
        self.connections = 0
        self.answers_left = 1_000
        self.begins = b""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            self.answers_left -= 1
            if self.answers_left < 0:
                self.answers_left = 1_000
                writer.write(self.begins)
                break
            writer.write(ANSWER)
        writer.close()

    @property
    def origin(self) -> Origin:
        return Origin("http", "127.0.0.1", self.port)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


@pytest.fixture
def guard() -> EgressGuard:
    return EgressGuard(DEFAULT_NETWORKS, on_refused=lambda _: None)


@pytest.fixture
async def client(guard: EgressGuard) -> AsyncIterator[Client]:
    made = Client(guard, connect_timeout_s=1)
    yield made
    made.close()


async def body_of(client: Client, origin: Origin) -> bytes:
    connection = await client.ask(origin, REQUEST)
    try:
        return await connection.read()
    finally:
        client.take_back(origin, connection)


async def test_a_connection_is_kept_for_the_next_request(
    client: Client, endpoint: Endpoint
) -> None:
    assert [await body_of(client, endpoint.origin) for _ in range(3)] == [b"{}"] * 3
    assert endpoint.connections == 1


async def test_requests_at_once_have_a_connection_each(client: Client, endpoint: Endpoint) -> None:
    await asyncio.gather(*(body_of(client, endpoint.origin) for _ in range(3)))
    assert endpoint.connections == 3


async def test_a_kept_connection_that_was_dropped_is_replaced_once(
    client: Client, endpoint: Endpoint
) -> None:
    endpoint.answers_left = 1
    assert [await body_of(client, endpoint.origin) for _ in range(2)] == [b"{}"] * 2
    assert endpoint.connections == 2


async def test_a_request_whose_answer_had_begun_is_not_sent_again(
    client: Client, endpoint: Endpoint
) -> None:
    endpoint.answers_left, endpoint.begins = 1, b"HTTP/1.1 200"
    await body_of(client, endpoint.origin)
    with pytest.raises(BrokenOffError):
        await body_of(client, endpoint.origin)
    assert endpoint.connections == 1


async def test_a_new_connection_that_is_dropped_is_not_replaced(
    client: Client, endpoint: Endpoint
) -> None:
    endpoint.answers_left = 0
    with pytest.raises(BrokenOffError):
        await body_of(client, endpoint.origin)
    assert endpoint.connections == 1


async def test_a_connection_that_was_idle_for_long_is_not_used(
    client: Client, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    await body_of(client, endpoint.origin)
    monkeypatch.setattr(client_module, "KEEP_ALIVE_S", 0.0)
    await body_of(client, endpoint.origin)
    assert endpoint.connections == 2


async def test_the_sweep_drops_what_was_idle_for_long(
    client: Client, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await client.ask(endpoint.origin, REQUEST)
    client.take_back(endpoint.origin, connection)
    await client.sweep()
    assert connection.is_reusable
    monkeypatch.setattr(client_module, "KEEP_ALIVE_S", 0.0)
    await client.sweep()
    assert not connection.is_reusable


async def test_a_cancelled_request_frees_its_connection(guard: EgressGuard) -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        origin = Origin("http", "127.0.0.1", server.sockets[0].getsockname()[1])
        client = Client(guard, connect_timeout_s=1)
        asking = asyncio.create_task(client.ask(origin, REQUEST))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_closed_port_is_a_connection_that_could_not_be_made(client: Client) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectError, match="ConnectionRefusedError"):
            await client.ask(Origin("http", "127.0.0.1", taken.getsockname()[1]), REQUEST)


async def test_an_address_that_does_not_answer_is_given_up_in_time(guard: EgressGuard) -> None:
    client = Client(guard, connect_timeout_s=0.2)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        origin = Origin("http", "127.0.0.1", full.getsockname()[1])
        queued = [socket.socket() for _ in range(2)]
        for each in queued:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        with pytest.raises(ConnectError, match="TimeoutError"):
            await client.ask(origin, REQUEST)
        for each in queued:
            each.close()


@pytest.mark.parametrize("host", ["198.51.100.7", "169.254.169.254", "::ffff:10.0.0.1"])
async def test_an_address_outside_the_allowed_networks_is_never_dialled(
    client: Client, host: str
) -> None:
    with pytest.raises(EgressRefusedError, match="outside the allowed networks"):
        await client.ask(Origin("http", host, 80), REQUEST)


async def test_a_name_that_nothing_configured_is_not_resolved(client: Client) -> None:
    with pytest.raises(EgressRefusedError):
        await client.ask(Origin("http", "telemetry.example", 80), REQUEST)


async def test_a_configured_name_reaches_an_allowed_address(
    client: Client, guard: EgressGuard, endpoint: Endpoint
) -> None:
    guard.configure(["localhost"])
    for _ in range(2):
        assert await body_of(client, Origin("http", "localhost", endpoint.port)) == b"{}"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 for itself, with its private key."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "endpoint")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(private_key, hashes.SHA256())
    )
    path = tmp_path / "endpoint.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_is_checked_against_the_trusted_certificates(
    guard: EgressGuard, certificate: Path, monkeypatch: pytest.MonkeyPatch, *, trusted: bool
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(certificate)
    endpoint = Endpoint()
    async with await asyncio.start_server(endpoint.serve, "127.0.0.1", 0, ssl=served) as server:
        origin = Origin("https", "127.0.0.1", server.sockets[0].getsockname()[1])
        client = Client(guard, connect_timeout_s=5)
        if trusted:
            assert await body_of(client, origin) == b"{}"
        else:
            with pytest.raises(ConnectError, match="certificate"):
                await body_of(client, origin)
        client.close()
