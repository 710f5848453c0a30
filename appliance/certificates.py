"""The certificate that the instance shows, and whom it believes when it calls something itself."""

import ssl
from pathlib import Path

import structlog
from cryptography import x509

from appliance.errors import ApplianceError
from gateway.contract.served_certificate import ServedCertificate

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


def served_certificate(
    cert_file: Path, key_file: Path, *, is_mounted: bool = False
) -> ServedCertificate:
    """The certificate in these files, which may be one.

    Raises:
        CertificateUnusableError: they cannot be used, or others may read the key.
    """
    try:
        return ServedCertificate(
            cert_file, key_file, end_of=_end_of, tell=_tell, is_mounted=is_mounted
        )
    except (OSError, ValueError) as cause:
        names = "CASEMATE_TLS_CERT_FILE and CASEMATE_TLS_KEY_FILE"
        raise CertificateUnusableError(names, cause) from cause


def _end_of(chain: bytes) -> float:
    return x509.load_pem_x509_certificates(chain)[0].not_valid_after_utc.timestamp()


def _tell(refused: str | None) -> None:
    if refused is None:
        _log.info("tls_certificate_replaced")
    else:
        _log.error("tls_certificate_refused", reason=refused)
