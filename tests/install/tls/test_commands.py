import json

from install.config import Config, save
from install.places import Places
from install.tls.keeping import put
from tests.certificate_builders import LONG_AGO, NOW
from tests.install.conftest import Run


def test_certificates_are_shown(places: Places, casemate: Run) -> None:
    save(places.config, Config(tls=True))
    put(places, Config(tls=True), now=NOW)
    code, said, _ = casemate("tls", "show")
    assert (code, said.count("until")) == (0, 3)
    assert str(places.authorities) in said
    found = json.loads(casemate("tls", "show", "--json")[1])
    assert found["ca_file"] == str(places.authorities)
    assert [each["name"] for each in found["certificates"]] == ["instance", "gateway", "authority"]


def test_expired_ones_are_warned_of_and_renewed(places: Places, casemate: Run) -> None:
    save(places.config, Config(tls=True))
    put(places, Config(tls=True), now=LONG_AGO)
    assert "has expired and was not renewed" in casemate("tls", "show")[1]
    code, said, _ = casemate("tls", "renew", "--json")
    assert (code, json.loads(said)["renewed"]) == (0, ["instance", "gateway"])
    assert "has expired" not in casemate("tls", "show")[1]
    assert casemate("tls", "renew")[1] == "renewed    instance, gateway\n"


def test_without_tls_there_is_nothing_to_show(places: Places, casemate: Run) -> None:
    assert casemate("tls", "show")[0] == 3
    save(places.config, Config())
    code, _, said = casemate("tls", "renew")
    assert code == 2
    assert "casemate up --tls" in said
