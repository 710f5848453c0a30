import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from install.config import Config, resolve
from install.errors import CertificateError
from install.tls.checking import settle
from tests.certificate_builders import LONG_AGO, NOW, Organisation, write_private

LOCAL = ("127.0.0.1", "box.test")


@pytest.fixture
def ours(tmp_path: Path) -> Organisation:
    return Organisation.make(tmp_path / "organisation")


def told(ours: Organisation, files: tuple[Path, Path], **more: Any) -> Config:
    cert, key = map(str, files)
    return resolve({"cert": cert, "key": key, "ca": str(ours.ca), **more}, {})


def code_of(config: Config, *, resolves: Callable[[str], bool] = lambda _host: True) -> str:
    with pytest.raises(CertificateError) as caught:
        settle(config, resolves=resolves)
    assert caught.value.exit_code == 2
    return caught.value.code


def test_a_good_certificate_passes_and_says_where_all_is(ours: Organisation) -> None:
    found = settle(told(ours, ours.issue("box", *LOCAL), tls_names=["box.test"]))
    assert found.tls_told == {"instance": "box.test", "gateway": "box.test"}
    assert found.instance_url == "https://127.0.0.1:8080"


def test_this_machine_uses_the_name_where_the_address_is_not_covered(ours: Organisation) -> None:
    files = ours.issue("box", "*.box.test")
    found = settle(told(ours, files, tls_names=["ai.box.test"]), resolves=lambda _: True)
    assert found.gateway_url == "https://ai.box.test:5052"
    unknown = told(ours, files, tls_names=["ai.box.test"])
    assert code_of(unknown, resolves=lambda _: False) == "tls_name_unresolved"


def test_instance_and_gateway_may_have_one_each(ours: Organisation) -> None:
    cert, key = ours.issue("gateway", "::1")
    both = {"gateway_cert": str(cert), "gateway_key": str(key)}
    config = told(ours, ours.issue("instance", "127.0.0.1"), **both, tls_names=["::1", "127.0.0.1"])
    found = settle(config)
    assert found.instance_url == "https://127.0.0.1:8080"
    assert found.gateway_url == "https://[::1]:5052"


def test_public_addresses_are_what_must_be_covered(ours: Organisation) -> None:
    config = told(ours, ours.issue("box", *LOCAL))
    config.handed_on["CASEMATE_INSTANCE_PUBLIC_URL"] = "https://box.test:8443"
    assert settle(config).tls_told == {"instance": "box.test", "gateway": "127.0.0.1"}
    config.handed_on["CASEMATE_GATEWAY_PUBLIC_URL"] = "https://other.test"
    assert code_of(config) == "tls_name_not_covered"


def test_a_name_that_is_not_covered_is_said(ours: Organisation) -> None:
    listening = told(ours, ours.issue("box", "box.test"), listen="0.0.0.0")  # noqa: S104  # a value
    with pytest.raises(CertificateError, match=f"covers none of {socket.gethostname().lower()}"):
        settle(listening)


@pytest.mark.parametrize("days", [0, -1000])
def test_a_certificate_outside_its_life_is_refused(ours: Organisation, days: int) -> None:
    begins = (LONG_AGO if days == 0 else NOW) - timedelta(days=days)
    config = told(ours, ours.issue("box", *LOCAL, now=begins))
    code = "tls_certificate_expired" if days == 0 else "tls_certificate_not_yet_valid"
    assert code_of(config) == code


def test_another_authority_s_certificate_is_refused(ours: Organisation, tmp_path: Path) -> None:
    other = Organisation.make(tmp_path / "other")
    assert code_of(told(ours, other.issue("box", *LOCAL))) == "tls_chain_broken"


def test_another_certificate_s_key_is_refused(ours: Organisation) -> None:
    cert, _ = ours.issue("box", *LOCAL)
    _, key = ours.issue("other", *LOCAL)
    assert code_of(told(ours, (cert, key))) == "tls_key_does_not_fit"


def test_a_key_that_others_may_read_is_refused(ours: Organisation) -> None:
    cert, key = ours.issue("box", *LOCAL)
    key.chmod(0o640)
    assert code_of(told(ours, (cert, key))) == "tls_key_readable_by_others"


def test_files_that_are_not_there_or_not_pem_are_refused(ours: Organisation) -> None:
    cert, key = ours.issue("box", *LOCAL)
    assert code_of(told(ours, (ours.folder / "none", key))) == "tls_file_unreadable"
    ours.ca.write_text("no certificate")
    assert code_of(told(ours, (cert, key))) == "tls_ca_unusable"


def test_a_key_with_a_password_is_refused_without_asking_for_it(ours: Organisation) -> None:
    cert, key = ours.issue("box", *LOCAL)
    text = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
    write_private(key, text)
    assert code_of(told(ours, (cert, key))) == "tls_key_does_not_fit"


def test_without_files_there_is_nothing_to_check() -> None:
    assert settle(Config(tls=True, tls_told={"instance": "old.test"})) == Config(tls=True)
