"""The appliance's own authority: certificates for its services, as strict clients want them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from install.errors import CertificateError
from install.tls.asked import is_address

AUTHORITY_LIFE = timedelta(days=3650)
# The longest that Apple's clients take from an authority that a person installed.
LIFE = timedelta(days=397)
# For a client whose clock is behind.
BEFORE = timedelta(minutes=10)
NAME_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a certificate says; `names` are sorted, `ends_at` is outside its life."""

    names: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def read(cls, text: bytes) -> Self:
        """The first certificate in a PEM file.

        Raises:
            CertificateError: there is none.
        """
        return cls.of(first_in(text))

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Self:
        """What it says."""
        try:
            found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            names: list[str] = []
        else:
            names = [str(name.value) for name in found.value]
        return cls(
            names=tuple(sorted(names)),
            starts_at=certificate.not_valid_before_utc,
            ends_at=certificate.not_valid_after_utc,
        )

    def is_due(self, *, at: datetime) -> bool:
        """Whether a third of its life, or less, is left."""
        return self.ends_at - at <= (self.ends_at - self.starts_at) / 3


def first_in(text: bytes) -> x509.Certificate:
    """The first certificate in a PEM file.

    Raises:
        CertificateError: there is none.
    """
    try:
        return x509.load_pem_x509_certificates(text)[0]
    except ValueError as cause:
        sentence = "What should be a certificate in PEM form is none."
        raise CertificateError(sentence, code="tls_file_unreadable") from cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Signs certificates for this appliance alone; its repr shows no key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def __repr__(self) -> str:
        """Without the key."""
        return f"Authority({self.certificate.subject.rfc4514_string()!r})"

    @classmethod
    def make(cls, *, now: datetime) -> Self:
        """A new one, P-256, that may sign servers' certificates but no other authority's."""
        key = ec.generate_private_key(ec.SECP256R1())
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        name = _name(f"Casemate authority {identifier.digest.hex()[:8]}")
        certificate = (
            _begun(key, subject=name, now=now, ends_at=now + AUTHORITY_LIFE)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(key=key, certificate=certificate)

    @classmethod
    def read(cls, text: bytes) -> Self:
        """From what `pem` gave.

        Raises:
            CertificateError: it is something else.
        """
        try:
            key = load_pem_private_key(text, password=None)
        except (ValueError, TypeError) as cause:
            sentence = "The key of this appliance's authority is damaged."
            raise CertificateError(sentence, code="tls_authority_damaged") from cause
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            sentence = "The key of this appliance's authority is of another kind."
            raise CertificateError(sentence, code="tls_authority_damaged")
        return cls(key=key, certificate=first_in(text))

    def pem(self) -> str:
        """Key and certificate: for its owner only."""
        return _pem_of(self.key) + self.bundle()

    def bundle(self) -> str:
        """The certificate, for everybody."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    def issue(self, names: Sequence[str], *, now: datetime) -> str:
        """A new key and its certificate for a server, in one PEM text: for its owner only."""
        key = ec.generate_private_key(ec.SECP256R1())
        ends_at = min(now + LIFE, self.certificate.not_valid_after_utc)
        subject = _name(names[0][:NAME_LENGTH])
        certificate = (
            _begun(key, subject=subject, now=now, ends_at=ends_at)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(list(map(_general, names))), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return _pem_of(key) + certificate.public_bytes(Encoding.PEM).decode("ascii")

    def has_issued(self, text: bytes) -> bool:
        """Whether a certificate is from here."""
        try:
            first_in(text).verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature, CertificateError):
            return False
        return True


def _begun(
    key: ec.EllipticCurvePrivateKey, *, subject: x509.Name, now: datetime, ends_at: datetime
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEFORE)
        .not_valid_after(ends_at)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(name)) if is_address(name) else x509.DNSName(name)


def _pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text.decode("ascii")
