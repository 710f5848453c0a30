import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from install import demo_licence
from install.admin import licence_files
from install.config import Config
from install.demo_licence import Order, key_file, licence_file
from install.places import Places
from tests.fakes import parts

TODAY = date(2026, 11, 21)
OWN = "A" * 42 + "E"


def order(
    places: Places, shown: dict[str, Any], *, today: date = TODAY, **settings: Any
) -> Order | None:
    config = replace(Config(), **settings)
    return demo_licence.order(places, config, shown, holder="admin", today=today)


def lines(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = licence_files.inspect(text, public_key=None).document["add_ons"]
    return found


@pytest.fixture
def licensed(places: Places) -> dict[str, Any]:
    """What an instance shows that followed the first order."""
    first = order(places, parts.UNLICENSED)
    assert first
    return parts.license_it(list(first.words), first.licence, parts.UNLICENSED)


def test_a_new_home_orders_a_demonstration_with_a_seat_for_the_admin(places: Places) -> None:
    made = order(places, parts.UNLICENSED)
    assert made
    option, _, key = made.words[0].partition("=")
    assert option == "--authority-key"
    assert made.words[1:] == ("--demo", "--file", "/dev/stdin", "--seat-for-admin", "admin")
    checked = licence_files.inspect(made.licence, public_key=key)
    assert (checked.verdict, checked.document["instance_id"]) == ("good", parts.INSTANCE_ID)
    assert [
        (each["name"], each["quantity"], each["accompanies"]) for each in lines(made.licence)
    ] == [
        ("duo_enterprise", 10, None),
        ("duo_self_hosted", 10, "duo_enterprise"),
    ]
    assert lines(made.licence)[0]["ends_on"] == (TODAY + timedelta(days=365)).isoformat()


def test_its_private_key_is_nobody_else_s_and_never_made_anew(places: Places) -> None:
    order(places, parts.UNLICENSED)
    before = key_file(places).read_bytes()
    assert key_file(places).stat().st_mode & 0o777 == 0o600
    order(places, parts.UNLICENSED)
    assert key_file(places).read_bytes() == before


@pytest.mark.parametrize("days", [0, 300, 335])
def test_a_licence_with_a_month_left_is_left_alone(
    places: Places, licensed: dict[str, Any], days: int
) -> None:
    before = licence_file(places).read_bytes()
    assert order(places, licensed, today=TODAY + timedelta(days=days)) is None
    assert licence_file(places).read_bytes() == before


@pytest.mark.parametrize(("days", "begins_after"), [(336, 365), (400, 400)])
def test_one_that_ends_soon_or_has_ended_is_followed_by_another(
    places: Places, licensed: dict[str, Any], days: int, begins_after: int
) -> None:
    made = order(places, licensed, today=TODAY + timedelta(days=days))
    assert made
    assert made.words == ("--file", "/dev/stdin")
    begins = {each["starts_on"] for each in lines(made.licence)}
    assert begins == {(TODAY + timedelta(days=begins_after)).isoformat()}


def test_what_follows_buys_what_the_last_one_bought(
    places: Places, licensed: dict[str, Any]
) -> None:
    bought = demo_licence.lines_of("duo_pro", today=TODAY, namespace="gitlab-duo")
    demo_licence.issue(places, parts.INSTANCE_ID, bought)
    made = order(places, licensed, today=TODAY + timedelta(days=350))
    assert made
    names = [(each["name"], each["namespace"]) for each in lines(made.licence)]
    assert names == [("duo_pro", "gitlab-duo"), ("duo_self_hosted", "gitlab-duo")]
    licence_file(places).write_text("{")
    made = order(places, licensed, today=TODAY + timedelta(days=350))
    assert made
    assert lines(made.licence)[0]["name"] == "duo_enterprise"


def test_what_an_admin_removed_is_not_renewed(places: Places, licensed: dict[str, Any]) -> None:
    late = TODAY + timedelta(days=400)
    assert order(places, {**licensed, "licences": []}, today=late) is None


def test_without_its_key_nothing_is_renewed(places: Places, licensed: dict[str, Any]) -> None:
    late = TODAY + timedelta(days=400)
    assert order(places, {**licensed, "authority": "SHA256:another"}, today=late) is None
    key_file(places).unlink()
    assert order(places, licensed, today=late) is None


def test_a_bare_home_gets_none(places: Places) -> None:
    assert order(places, parts.UNLICENSED, bare=True) is None
    assert not key_file(places).exists()


def test_beside_a_real_authority_there_is_no_demonstration(places: Places) -> None:
    assert order(places, {**parts.UNLICENSED, "authority": "SHA256:x"}) is None


def test_an_authority_of_one_s_own_is_trusted_in_its_place(
    places: Places, licensed: dict[str, Any]
) -> None:
    wanted = Order(words=(f"--authority-key={OWN}",))
    assert order(places, parts.UNLICENSED, licence_authority=OWN) == wanted
    assert order(places, licensed, licence_authority=OWN) == wanted
    trusted = {"authority": licence_files.fingerprint_of(OWN), "is_demo": False}
    assert order(places, {**licensed, **trusted}, licence_authority=OWN) is None


def test_another_authority_than_the_trusted_one_is_told_to_be_without_effect(
    places: Places,
) -> None:
    shown = {**parts.UNLICENSED, "authority": "SHA256:other"}
    made = order(places, shown, licence_authority=OWN)
    assert made
    assert made.warning
    assert "SHA256:other" in made.warning


@pytest.mark.usefixtures("parts_running")
def test_status_marks_a_demonstration(places: Places, config: Config) -> None:
    token_file = places.credentials / "admin_token"
    assert demo_licence.is_shown(config.instance_url, token_file)
    (places.home / "stand_in.json").write_text(json.dumps({"unlicensed": True}))
    assert not demo_licence.is_shown(config.instance_url, token_file)
    assert not demo_licence.is_shown("http://127.0.0.1:9", token_file)
