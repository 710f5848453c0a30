"""Whom a program on this machine believes when it speaks to the services of one home."""

import ssl
from pathlib import Path

from install.errors import CertificateError


def trusted_for(url: str, home: Path) -> ssl.SSLContext | bool:
    """For an HTTP client's `verify`: the home's own bundle alone, where an address is https.

    Raises:
        CertificateError: the bundle is missing or damaged.
    """
    if not url.startswith("https:"):
        return True
    path = home / "ca.crt"
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as cause:
        sentence = f"{path}, which says whom to believe, cannot be used; run `casemate up`."
        raise CertificateError(sentence, code="tls_ca_unusable") from cause
