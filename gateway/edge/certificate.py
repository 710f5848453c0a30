"""The certificate that the gateway shows."""

from pathlib import Path

import structlog
from cryptography import x509

from gateway.contract.served_certificate import ServedCertificate
from gateway.errors import StateError

log = structlog.get_logger()


def served_certificate(
    cert_file: Path, key_file: Path, *, is_mounted: bool = False
) -> ServedCertificate:
    """The certificate in these files, which may be one.

    Raises:
        StateError: they cannot be used, or others may read the key.
    """
    try:
        return ServedCertificate(
            cert_file, key_file, end_of=_end_of, tell=_tell, is_mounted=is_mounted
        )
    except (OSError, ValueError) as cause:
        raise StateError(reason=f"CASEMATE_TLS_CERT_FILE and _KEY_FILE: {cause}") from cause


def _end_of(chain: bytes) -> float:
    return x509.load_pem_x509_certificates(chain)[0].not_valid_after_utc.timestamp()


def _tell(refused: str | None) -> None:
    if refused is None:
        log.info("tls_certificate_replaced")
    else:
        log.error("tls_certificate_refused", reason=refused)
