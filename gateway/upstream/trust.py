"""Whom the gateway believes: the one bundle of authorities for everything it calls over TLS."""

import ssl
from pathlib import Path

from gateway.errors import StateError


def outgoing_trust(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the authorities in `ca_file` and no other; the system's where there is none.

    Raises:
        StateError: the file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as cause:
        raise StateError(reason=f"CASEMATE_CA_FILE cannot be used: {cause}") from cause
