from pathlib import Path

import pytest

from gateway.edge.certificate import served_certificate
from gateway.errors import StateError
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
    with pytest.raises(StateError, match="CASEMATE_TLS_CERT_FILE") as caught:
        served_certificate(cert, key)
    assert "PRIVATE" not in str(caught.value)
