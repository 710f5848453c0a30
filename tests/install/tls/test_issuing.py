import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from install.errors import CertificateError
from install.tls.issuing import AUTHORITY_LIFE, LIFE, Authority, Certificate
from tests.certificate_builders import NOW, Organisation

NAMES = ("localhost", "127.0.0.1", "::1", "*.box.test", "x" * 60 + ".a-long-name.test")


def openssl(*words: str | Path) -> str:
    done = subprocess.run(
        ["openssl", *map(str, words)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_strict_clients_accept_what_is_issued(tmp_path: Path) -> None:
    made = Organisation.make(tmp_path)
    cert, _ = made.issue("box", *NAMES)
    strict = ("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", made.ca)
    for name in (("-verify_hostname", "a.box.test"), ("-verify_ip", "::1")):
        assert openssl(*strict, *name, cert) == f"{cert}: OK\n"
    assert "IP address mismatch" in openssl(*strict, "-verify_ip", "10.0.0.1", cert)


def test_an_authority_can_make_no_other_authority(tmp_path: Path) -> None:
    said = openssl("x509", "-noout", "-text", "-in", Organisation.make(tmp_path).ca)
    assert "CA:TRUE, pathlen:0" in said
    assert "Certificate Sign, CRL Sign" in said
    assert "prime256v1" in said


def test_a_certificate_serves_and_does_nothing_else(tmp_path: Path) -> None:
    cert, _ = Organisation.make(tmp_path).issue("box")
    said = openssl("x509", "-noout", "-text", "-in", cert)
    assert "TLS Web Server Authentication\n" in said
    assert "CA:FALSE" in said
    assert "X509v3 Authority Key Identifier" in said


def test_lives_are_what_clients_take() -> None:
    authority = Authority.make(now=NOW)
    issued = Certificate.read(authority.issue(NAMES, now=NOW).encode())
    assert issued.ends_at == NOW + LIFE
    assert Certificate.of(authority.certificate).ends_at == NOW + AUTHORITY_LIFE
    assert issued.names == tuple(sorted(NAMES))


def test_no_certificate_outlives_its_authority() -> None:
    authority = Authority.make(now=NOW)
    late = NOW + AUTHORITY_LIFE - timedelta(days=1)
    assert Certificate.read(authority.issue(["a.test"], now=late).encode()).ends_at == (
        NOW + AUTHORITY_LIFE
    )


@pytest.mark.parametrize(("days_left", "is_due"), [(4, False), (3, True), (0, True), (-1, True)])
def test_a_certificate_is_due_when_a_third_of_its_life_is_left(
    days_left: int, is_due: bool
) -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    ends = began + timedelta(days=9)
    found = Certificate(names=(), starts_at=began, ends_at=ends)
    assert found.is_due(at=ends - timedelta(days=days_left)) == is_due


def test_an_authority_knows_its_own_and_shows_no_key() -> None:
    ours, other = Authority.make(now=NOW), Authority.make(now=NOW)
    issued = ours.issue(["a.test"], now=NOW).encode()
    again = Authority.read(ours.pem().encode())
    assert again.has_issued(issued)
    assert not other.has_issued(issued)
    assert not other.has_issued(b"nothing")
    assert "PRIVATE" not in repr(ours)


@pytest.mark.parametrize("text", [b"", b"-----BEGIN PRIVATE KEY-----\nx\n"])
def test_a_damaged_authority_is_named(text: bytes) -> None:
    with pytest.raises(CertificateError) as caught:
        Authority.read(text)
    assert caught.value.code == "tls_authority_damaged"
