import ssl
from pathlib import Path

import pytest

from appliance.certificates import CertificateUnusableError, outgoing_trust, served_certificate
from tests.certificate_builders import Organisation


@pytest.mark.parametrize("wrong", ["mode", "pair", "none"])
def test_what_cannot_be_served_stops_the_start(tmp_path: Path, wrong: str) -> None:
    ours = Organisation.make(tmp_path / "organisation")
    cert, key = ours.issue("box", "127.0.0.1")
    match wrong:
        case "mode":
            key.chmod(0o640)
        case "pair":
            _, key = ours.issue("other", "127.0.0.1")
        case _:
            cert.unlink()
    with pytest.raises(CertificateUnusableError, match="CASEMATE_TLS_KEY_FILE") as caught:
        served_certificate(cert, key)
    assert "PRIVATE" not in str(caught.value)


def test_a_bundle_is_trusted_and_no_other(tmp_path: Path) -> None:
    ours = Organisation.make(tmp_path / "organisation")
    assert len(outgoing_trust(ours.ca).get_ca_certs()) == 1
    with pytest.raises(CertificateUnusableError, match="CASEMATE_CA_FILE"):
        outgoing_trust(tmp_path / "none")
    assert outgoing_trust(None).verify_mode == ssl.CERT_REQUIRED
