import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.edge.certificate import served_certificate
from tests.certificate_builders import NOW, Organisation


@pytest.fixture
def ours(tmp_path: Path) -> Organisation:
    return Organisation.make(tmp_path / "organisation")


@asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def connect(
    port: int, ours: Organisation
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    trusted = ssl.create_default_context(cafile=ours.ca)
    return await asyncio.open_connection("127.0.0.1", port, ssl=trusted)


async def serial_at(port: int, ours: Organisation) -> str:
    _, writer = await connect(port, ours)
    found = str(writer.get_extra_info("peercert")["serialNumber"])
    writer.close()
    return found


async def test_a_replaced_certificate_is_served_and_open_connections_go_on(
    ours: Organisation, tmp_path: Path
) -> None:
    path = ours.issue_whole(tmp_path / "served.pem")
    served = served_certificate(path, path)
    async with serving(served.context) as port:
        first = await serial_at(port, ours)
        reader, writer = await connect(port, ours)
        ours.issue_whole(path, now=NOW + timedelta(minutes=5))
        await served.refresh()
        assert await serial_at(port, ours) != first
        assert served.expires_at == (NOW + timedelta(days=397, minutes=5)).timestamp()
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"
        writer.close()


async def test_nothing_is_read_again_while_nothing_changes(
    ours: Organisation, tmp_path: Path
) -> None:
    path = ours.issue_whole(tmp_path / "served.pem")
    served = served_certificate(path, path)
    async with serving(served.context) as port:
        first = await serial_at(port, ours)
        await served.refresh()
        assert await serial_at(port, ours) == first


@pytest.mark.parametrize("wrong", ["text", "gone", "mode", "key"])
async def test_a_replacement_that_cannot_be_used_leaves_the_last_good_one(
    ours: Organisation, wrong: str
) -> None:
    cert, key = ours.issue("localhost", "127.0.0.1")
    served = served_certificate(cert, key)
    async with serving(served.context) as port:
        first = await serial_at(port, ours)
        match wrong:
            case "text":
                cert.write_text("no certificate")
            case "gone":
                key.unlink()
            case "mode":
                cert.write_text(cert.read_text() + "\n")
                key.chmod(0o644)
            case _:
                other, _ = ours.issue("other", "127.0.0.1")
                other.replace(cert)
        await served.refresh()
        assert await serial_at(port, ours) == first


async def test_old_protocols_are_refused(ours: Organisation, tmp_path: Path) -> None:
    path = ours.issue_whole(tmp_path / "served.pem")
    context = served_certificate(path, path).context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    strong = {"GCM", "CHACHA20"}
    names = [cipher["name"] for cipher in context.get_ciphers()]
    assert all(any(word in name for word in strong) for name in names)


def test_a_mounted_key_may_have_any_mode(ours: Organisation) -> None:
    cert, key = ours.issue("box", "127.0.0.1")
    key.chmod(0o444)
    assert served_certificate(cert, key, is_mounted=True).expires_at > NOW.timestamp()
