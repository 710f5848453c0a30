"""The certificate that a service shows, taken anew when its files are replaced."""

import ssl
import stat
from collections.abc import Callable
from pathlib import Path

# Forward secrecy and authenticated encryption; TLS 1.3 has nothing else.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
LOOK_EVERY_S = 2


class ServedCertificate:
    """A TLS context for the server; connections that are open keep what they began with.

    `key_file` may be `cert_file`, which is then replaced as one. A key that was mounted by a
    container engine may have any mode. `end_of` reads from a PEM chain when its first certificate
    ends, in seconds since the epoch; ValueError if it is none. `tell` hears why replaced files
    cannot be used, or None when they are in use.
    """

    def __init__(
        self,
        cert_file: Path,
        key_file: Path,
        *,
        end_of: Callable[[bytes], float],
        tell: Callable[[str | None], None],
        is_mounted: bool = False,
    ) -> None:
        """Reads both files.

        Raises:
            OSError, ValueError: they cannot be used, or others may read the key.
        """
        self._files = (cert_file, key_file)
        self._end_of = end_of
        self._tell = tell
        self._is_mounted = is_mounted
        self._seen = self._look()
        self.context = _new_context()
        self._check_mode()
        self._load(self.context)

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
            self._tell(str(cause))
        else:
            self._tell(None)

    def _load(self, context: ssl.SSLContext) -> None:
        cert_file, key_file = self._files
        expires_at = self._end_of(cert_file.read_bytes())
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


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
