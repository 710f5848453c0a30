"""The certificate that the instance shows, and whom it believes when it calls something itself."""

import ssl
import stat
from pathlib import Path

import structlog
from cryptography import x509

from appliance.errors import ApplianceError

# Forward secrecy and authenticated encryption; TLS 1.3 has nothing else.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
LOOK_EVERY_S = 2

_log = structlog.get_logger()


class CertificateUnusableError(ApplianceError):
    """The certificate, its key or the authorities cannot be used; `reason` says why."""

    code = "certificate_unusable"

    def __init__(self, settings: str, reason: object) -> None:
        super().__init__(f"{settings} cannot be used: {reason}.")


def outgoing_trust(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the authorities in `ca_file` and no other; the system's where there is none.

    Raises:
        CertificateUnusableError: the file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as cause:
        name = "CASEMATE_CA_FILE"
        raise CertificateUnusableError(name, cause) from cause


class ServedCertificate:
    """A TLS context for the server; connections that are open keep what they began with.

    `key_file` may be `cert_file`, which is then replaced as one. A key that was mounted by a
    container engine may have any mode.
    """

    def __init__(self, cert_file: Path, key_file: Path, *, is_mounted: bool = False) -> None:
        """Reads both files.

        Raises:
            CertificateUnusableError: they cannot be used, or others may read the key.
        """
        self._files = (cert_file, key_file)
        self._is_mounted = is_mounted
        self._seen = self._look()
        self.context = _new_context()
        try:
            self._check_mode()
            self._load(self.context)
        except (OSError, ValueError) as cause:
            names = "CASEMATE_TLS_CERT_FILE and CASEMATE_TLS_KEY_FILE"
            raise CertificateUnusableError(names, cause) from cause

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
            _log.error("tls_certificate_refused", reason=str(cause))
        else:
            _log.info("tls_certificate_replaced", expires_at=int(self.expires_at))

    def _load(self, context: ssl.SSLContext) -> None:
        cert_file, key_file = self._files
        chain = x509.load_pem_x509_certificates(cert_file.read_bytes())
        context.load_cert_chain(cert_file, key_file)
        self.expires_at = chain[0].not_valid_after_utc.timestamp()

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


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
