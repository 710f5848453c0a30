import ssl
from pathlib import Path

import pytest

from gateway.errors import StateError
from gateway.upstream.trust import outgoing_trust
from tests.certificate_builders import Organisation


def test_a_bundle_is_trusted_and_no_other(tmp_path: Path) -> None:
    ours = Organisation.make(tmp_path)
    assert len(outgoing_trust(ours.ca).get_ca_certs()) == 1


def test_without_one_the_system_s_is() -> None:
    assert outgoing_trust(None).verify_mode == ssl.CERT_REQUIRED


def test_a_bundle_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="CASEMATE_CA_FILE"):
        outgoing_trust(tmp_path / "none")
