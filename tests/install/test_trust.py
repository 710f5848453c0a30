import ssl

import pytest

from install.config import Config
from install.errors import CertificateError
from install.places import Places
from install.tls.keeping import put
from install.trust import trusted_for
from tests.certificate_builders import NOW


def test_plain_addresses_need_no_trust(places: Places) -> None:
    assert trusted_for("http://127.0.0.1:1", places.home) is True


def test_only_the_home_s_own_bundle_is_trusted(places: Places) -> None:
    put(places, Config(tls=True), now=NOW)
    found = trusted_for("https://127.0.0.1:1", places.home)
    assert isinstance(found, ssl.SSLContext)
    assert len(found.get_ca_certs()) == 1


def test_a_missing_bundle_is_no_reason_to_trust_others(places: Places) -> None:
    with pytest.raises(CertificateError, match=r"run `casemate up`"):
        trusted_for("https://127.0.0.1:1", places.home)
