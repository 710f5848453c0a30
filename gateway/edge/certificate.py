"""The certificate that the gateway shows, taken anew when its files are replaced."""

import ssl
import stat
from pathlib import Path

import structlog
from cryptography import x509

from gateway.errors import StateError

# Forward secrecy and authenticated encryption; TLS 1.3 has nothing else.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
LOOK_EVERY_S = 2

log = structlog.get_logger()


class ServedCertificate:
    """A TLS context for the server; connections that are open keep what they began with.

    `key_file` may be `cert_file`, which is then replaced as one. A key that was mounted by a
    container engine may have any mode.
    """

    def __init__(self, cert_file: Path, key_file: Path, *, is_mounted: bool = False) -> None:
        """Reads both files.

        Raises:
            StateError: they cannot be used, or others may read the key.
        """
        self._files = (cert_file, key_file)
        self._is_mounted = is_mounted
        self._seen = self._look()
        self.context = _new_context()
        try:
            self._check_mode()
            self._load(self.context)
        except (OSError, ValueError) as cause:
            raise StateError(reason=f"CASEMATE_TLS_CERT_FILE and _KEY_FILE: {cause}") from cause

    async def refresh(self) -> None:
        """Takes over replaced files; those that cannot be used leave the last good ones in use."""
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._check_mode()
            # A context that refuses a pair keeps half of it, so another one tries it first.
            self._load(_new_context())
            self._load(self.context)
        except (OSError, ValueError) as cause:
            log.error("tls_certificate_refused", reason=str(cause))  # noqa: TRY400  # no trace needed
        else:
            log.info("tls_certificate_replaced", expires_at=int(self.expires_at))

    def _load(self, context: ssl.SSLContext) -> None:
        cert_file, key_file = self._files
        expires_at = _expiry_of(cert_file)
        context.load_cert_chain(cert_file, key_file)
        self.expires_at = expires_at

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_signature(path) for path in self._files)

    def _check_mode(self) -> None:
        mode = stat.S_IMODE(self._files[1].stat().st_mode)
        if mode & 0o077 and not self._is_mounted:
            message = f"the key can be read by others (mode {mode:04o}, needs 0600)"
            raise ValueError(message)


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _expiry_of(cert_file: Path) -> float:
    chain = x509.load_pem_x509_certificates(cert_file.read_bytes())
    return chain[0].not_valid_after_utc.timestamp()


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
