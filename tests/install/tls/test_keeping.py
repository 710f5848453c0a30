from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from install.config import Config
from install.errors import CertificateError
from install.places import Places
from install.tls import checking, keeping
from install.tls.issuing import LIFE, Certificate
from install.tls.keeping import put, shown
from tests.certificate_builders import LONG_AGO, NOW, Organisation

TLS = Config(tls=True)
ALL = ("authority", "instance", "gateway")


def contents(places: Places) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in places.tls.iterdir()}
    return {**found, "bundle": places.authorities.read_bytes()}


def names(places: Places, service: str = "gateway") -> tuple[str, ...]:
    return Certificate.read(places.certificate(service).read_bytes()).names


def test_nothing_is_made_without_tls(places: Places) -> None:
    assert put(places, Config(), now=NOW) == ()
    assert not places.authorities.exists()
    assert shown(places, Config()) == ()


def test_what_is_made_is_private_but_for_the_authority_s_certificate(places: Places) -> None:
    assert put(places, TLS, now=NOW) == ALL
    assert places.tls.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in places.tls.iterdir()} == {0o600}
    assert places.authorities.stat().st_mode & 0o777 == 0o644
    assert "PRIVATE" not in places.authorities.read_text()


def test_the_second_time_changes_nothing(places: Places) -> None:
    put(places, TLS, now=NOW)
    before = contents(places)
    assert put(places, TLS, now=NOW + timedelta(days=1)) == ()
    assert contents(places) == before


def test_other_names_are_other_certificates_of_the_same_authority(places: Places) -> None:
    put(places, TLS, now=NOW)
    bundle = places.authorities.read_bytes()
    assert set(names(places)) >= {"127.0.0.1", "::1", "localhost"}
    more = replace(TLS, tls_names=("box.test",), listen="10.1.2.3")
    more.handed_on["CASEMATE_INSTANCE_PUBLIC_URL"] = "https://ai.test/"
    assert put(places, more, now=NOW) == ("instance", "gateway")
    assert set(names(places)) >= {"127.0.0.1", "10.1.2.3", "box.test", "ai.test"}
    assert places.authorities.read_bytes() == bundle


def test_a_third_before_its_end_a_certificate_is_renewed(places: Places) -> None:
    put(places, TLS, now=NOW)
    bundle = places.authorities.read_bytes()
    early, late = NOW + LIFE * 0.6, NOW + LIFE * 0.7
    assert put(places, TLS, now=early) == ()
    assert put(places, TLS, now=late) == ("instance", "gateway")
    assert put(places, TLS, now=late) == ()
    assert places.authorities.read_bytes() == bundle
    assert put(places, TLS, now=late, anew=True) == ("instance", "gateway")


def test_a_damaged_or_foreign_certificate_is_made_again(places: Places, tmp_path: Path) -> None:
    put(places, TLS, now=NOW)
    places.certificate("gateway").write_text("damaged")
    other = Organisation.make(tmp_path / "other")
    other.issue_whole(places.certificate("instance"), *names(places, "instance"))
    assert put(places, TLS, now=NOW) == ("instance", "gateway")


def test_one_bundle_has_our_authority_and_the_organisation_s(
    places: Places, tmp_path: Path
) -> None:
    ours = Organisation.make(tmp_path / "organisation")
    assert put(places, Config(ca=str(ours.ca)), now=NOW) == ("authorities",)
    assert places.authorities.read_text() == ours.ca.read_text()
    put(places, replace(TLS, ca=str(ours.ca)), now=NOW)
    assert places.authorities.read_text().count("BEGIN CERTIFICATE") == 2
    assert ours.ca.read_text() in places.authorities.read_text()


@pytest.fixture
def ours(tmp_path: Path) -> Organisation:
    return Organisation.make(tmp_path / "organisation")


@pytest.fixture
def theirs(ours: Organisation) -> Config:
    cert, key = ours.issue("box", "127.0.0.1", "box.test")
    return checking.settle(Config(tls=True, cert=str(cert), key=str(key), ca=str(ours.ca)))


def test_the_organisation_s_files_are_taken_over_and_again_when_replaced(
    places: Places, ours: Organisation, theirs: Config
) -> None:
    assert put(places, theirs, now=NOW) == ("instance", "gateway", "authorities")
    assert places.certificate("gateway").stat().st_mode & 0o777 == 0o600
    assert names(places) == ("127.0.0.1", "box.test")
    assert put(places, theirs, now=NOW, anew=True) == ()
    ours.issue("box", "127.0.0.1")
    assert put(places, theirs, now=NOW) == ("instance", "gateway")
    assert names(places) == ("127.0.0.1",)


@pytest.mark.parametrize("wrong", ["names", "expired", "gone"])
def test_a_replacement_that_cannot_be_used_leaves_the_last_good_one(
    places: Places, ours: Organisation, theirs: Config, wrong: str
) -> None:
    put(places, theirs, now=NOW)
    before = contents(places)
    if wrong == "gone":
        (ours.folder / "box.crt").unlink()
    else:
        name = "other.test" if wrong == "names" else "127.0.0.1"
        ours.issue("box", name, now=LONG_AGO if wrong == "expired" else NOW)
    with pytest.raises(CertificateError):
        put(places, theirs, now=NOW)
    assert contents(places) == before


def test_what_is_shown_warns_before_the_end(places: Places, theirs: Config) -> None:
    put(places, TLS, now=NOW)
    found = {each.name: each for each in shown(places, TLS, now=NOW)}
    assert (found["gateway"].days_left, found["gateway"].warning) == (397, None)
    assert found["authority"].days_left == 3650
    late = shown(places, TLS, now=NOW + LIFE - timedelta(days=29))
    assert "ends in 29 days and was not renewed" in str(late[0].warning)
    put(places, theirs, now=NOW)
    expired = shown(places, theirs, now=NOW + LIFE)
    assert [each.name for each in expired] == ["instance", "gateway"]
    assert "has expired: put a new one in its place" in str(expired[0].warning)
    assert not expired[0].is_ours


def test_an_authority_near_its_end_says_what_to_do(places: Places) -> None:
    put(places, TLS, now=NOW)
    end = shown(places, TLS)[-1].ends_at
    last = NOW + timedelta(seconds=end - NOW.timestamp()) - timedelta(days=1)
    assert "remove keys/tls" in str(shown(places, TLS, now=last)[-1].warning)


def test_a_certificate_that_is_not_there_is_not_shown(places: Places) -> None:
    assert keeping.shown(places, TLS) == ()
