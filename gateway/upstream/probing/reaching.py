"""The way to a server: its addresses, its port, and its certificate; nothing is asked of it yet."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.contract.addresses import Endpoint, EndpointRefusedError, parse_endpoint
from gateway.contract.egress import EgressRefusedError
from gateway.contract.probing import STEP_S
from gateway.upstream.egress import AddressInfo, EgressGuard
from gateway.upstream.probing import address_faults as faults
from gateway.upstream.probing.failing import ProbeFailedError, quoted

# Of OpenSSL's x509_vfy.h.
_NOT_YET_VALID = 9
_EXPIRED = 10
_WRONG_NAMES = frozenset({62, 64})
MAX_GREETING_BYTES = 16


def read_endpoint(url: str) -> Endpoint:
    """The base URL, taken apart.

    Raises:
        ProbeFailedError: it is none.
    """
    try:
        return parse_endpoint(url)
    except EndpointRefusedError as cause:
        raise faults.invalid(quoted(url), cause.reason) from cause


class Reach:
    """Connects to one endpoint through a guard; `trusted` knows the authorities to believe."""

    def __init__(self, guard: EgressGuard, endpoint: Endpoint, *, trusted: ssl.SSLContext) -> None:
        self._guard = guard
        self._endpoint = endpoint
        self._trusted = trusted
        self._info: AddressInfo | None = None

    async def check(self) -> None:
        """Passes when the server is there and, where the endpoint says so, speaks TLS as it should.

        Raises:
            ProbeFailedError: says what is in the way.
        """
        self._info = await self._connectable(await self._addresses())
        if self._endpoint.scheme == "https":
            await self._check_tls()

    async def speaks_tls(self) -> bool:
        """Whether a TLS connection comes about, with whatever certificate."""
        try:
            await self._handshake(_believing_anything())
        except (OSError, TimeoutError):
            return False
        return True

    async def _addresses(self) -> list[AddressInfo]:
        host = self._endpoint.host
        try:
            return list(await self._guard.resolve(host, self._endpoint.port))
        except EgressRefusedError as cause:
            raise faults.not_allowed(host, str(cause.address), self._guard.networks) from cause
        except (OSError, UnicodeError) as cause:
            raise faults.unresolvable(host) from cause

    async def _connectable(self, infos: list[AddressInfo]) -> AddressInfo:
        """The first address at which something listens."""
        failure = faults.unresolvable(self._endpoint.host)
        for info in infos:
            try:
                await self._on_connection(info, None, _nothing)
            except ConnectionRefusedError:
                failure = faults.closed(self._endpoint)
            except TimeoutError:
                failure = faults.silent(self._endpoint, STEP_S)
            except OSError as error:
                failure = faults.unreachable(self._endpoint, error.strerror or type(error).__name__)
            else:
                return info
        raise failure

    async def _check_tls(self) -> None:
        try:
            await self._handshake(self._trusted)
        except ssl.SSLCertVerificationError as cause:
            raise await self._fault_of_certificate(cause) from cause
        except TimeoutError as cause:
            raise await self._fault_of_tls(f"nothing within {STEP_S:g} s") from cause
        except ssl.SSLError as cause:
            raise await self._fault_of_tls(_words(cause)) from cause
        except OSError as cause:
            raise await self._fault_of_tls("the server ended the connection") from cause

    async def _fault_of_tls(self, reason: str) -> ProbeFailedError:
        if await self._speaks_plain():
            return faults.plain_port(self._endpoint)
        return faults.tls_failed(self._endpoint, reason)

    async def _fault_of_certificate(
        self, refusal: ssl.SSLCertVerificationError
    ) -> ProbeFailedError:
        """What is wrong with it besides its authority, else that nobody here knows that."""
        try:
            shown = await self._handshake(_believing_anything())
        except (OSError, TimeoutError):
            return faults.tls_failed(self._endpoint, _words(refusal))
        certificate = x509.load_der_x509_certificate(shown)
        try:
            await self._handshake(_believing_only(shown))
        except ssl.SSLCertVerificationError as error:
            if error.verify_code == _NOT_YET_VALID:
                return faults.not_yet_valid(_written(certificate.not_valid_before_utc))
            if error.verify_code == _EXPIRED:
                return faults.expired(_written(certificate.not_valid_after_utc))
            if error.verify_code in _WRONG_NAMES:
                return faults.wrong_name(self._endpoint, _names(certificate))
        except (OSError, TimeoutError):
            pass
        is_self_signed = certificate.issuer == certificate.subject
        return faults.untrusted(_shown(certificate.issuer), is_self_signed=is_self_signed)

    async def _handshake(self, context: ssl.SSLContext) -> bytes:
        """The certificate that the server shows, when the context takes it."""
        assert self._info is not None  # noqa: S101  # found by `check`
        found: list[bytes] = []

        async def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            found.append(shown)

        await self._on_connection(self._info, context, look)
        return found[0]

    async def _speaks_plain(self) -> bool:
        """Whether the port answers a request that is not over TLS as HTTP servers do."""
        assert self._info is not None  # noqa: S101  # found by `check`
        said: list[bytes] = []

        async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HEAD / HTTP/1.0\r\n\r\n")
            said.append(await reader.read(MAX_GREETING_BYTES))

        try:
            await self._on_connection(self._info, None, ask)
        except (OSError, TimeoutError):
            return False
        return said[0].startswith(b"HTTP/")

    async def _on_connection(
        self,
        info: AddressInfo,
        context: ssl.SSLContext | None,
        work: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    ) -> None:
        loop = asyncio.get_running_loop()
        opened = self._guard.open_socket(info)
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(STEP_S):
                opened.setblocking(False)  # noqa: FBT003  # the standard library's
                await loop.sock_connect(opened, info[4])
                name = self._endpoint.host if context is not None else None
                reader, writer = await asyncio.open_connection(
                    sock=opened, ssl=context, server_hostname=name
                )
                await work(reader, writer)
        finally:
            if writer is None:
                opened.close()
            else:
                # At once: nobody waits for a farewell.
                writer.transport.abort()


async def _nothing(*_: Any) -> None:
    """Being connected is all."""


def _believing_anything() -> ssl.SSLContext:
    """For looking at a certificate; nothing is ever sent over such a connection."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _believing_only(certificate: bytes) -> ssl.SSLContext:
    """Takes that certificate whoever signed it, if its times and its names are right."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate)
    return context


def _words(error: ssl.SSLError) -> str:
    return (error.reason or type(error).__name__).replace("_", " ").lower()


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _shown(name: x509.Name) -> str:
    for attribute in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(attribute):
            return quoted(str(found[0].value))
    return quoted(name.rfc4514_string())


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(each) for each in found.get_values_for_type(x509.IPAddress)]
    return [*found.get_values_for_type(x509.DNSName), *addresses]
