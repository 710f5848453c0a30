import json
from collections.abc import Iterator
from typing import Any

import pytest

from install import contents
from install.config import Config, save
from install.places import Places
from tests.fakes import parts
from tests.fakes.licence_desk import Desk, open_desk
from tests.install.conftest import Run

PURCHASES = "/api/v4/ai/add_on_purchases"


def a_purchase(**changes: Any) -> dict[str, Any]:
    fields = {
        "id": 1,
        "add_on": "duo_pro",
        "assigned_quantity": 1,
        "purchased_quantity": 5,
        "state": "active",
        "namespace": None,
        "warnings": [],
    }
    return {**fields, **changes}


def a_seat(**changes: Any) -> dict[str, Any]:
    given = {"username": "ada", "given_at": "2026-11-21T12:00:00+00:00", "is_over_limit": False}
    return {**given, **changes}


ALPHA = {"id": 4, "full_path": "alpha/b"}
OWN, THEIRS = a_purchase(), a_purchase(id=2, namespace=ALPHA, warnings=["Buy more."])
ANSWERS: dict[str, Any] = {
    f"GET {PURCHASES}": [THEIRS, OWN],
    f"GET {PURCHASES}?namespace_id=4": [THEIRS],
    "GET /api/v4/groups/alpha%2Fb": ALPHA,
    "GET /api/v4/users?username=ada": [{"id": 7}],
    "GET /api/v4/users?username=bob": [{"id": 8}],
    "GET /api/v4/users?username=eve": [],
    f"GET {PURCHASES}/1/seats?page=1&per_page=100": [a_seat() for _ in range(100)],
    f"GET {PURCHASES}/1/seats?page=2&per_page=100": [a_seat(is_over_limit=True)],
    f"POST {PURCHASES}/1/seats": (201, [a_seat()]),
    f"POST {PURCHASES}/2/seats": (201, [a_seat()]),
    f"DELETE {PURCHASES}/1/seats": (204, None),
}


@pytest.fixture(autouse=True)
def desk(places: Places, config: Config) -> Iterator[Desk]:
    save(places.config, config)
    contents.token_file(places).write_text(parts.TOKEN)
    with open_desk(config.instance_port, dict(ANSWERS)) as opened:
        yield opened


def test_what_was_bought_is_listed(casemate: Run) -> None:
    assert json.loads(casemate("seats", "list", "--json")[1]) == [THEIRS, OWN]
    out = casemate("seats", "list")[1]
    assert "1 of 5 given, active, of the instance" in out
    assert "of alpha/b\n  ! Buy more." in out


def test_every_page_of_an_add_ons_seats_is_read(casemate: Run) -> None:
    (found,) = json.loads(casemate("seats", "list", "duo_pro", "--json")[1])
    assert (found["id"], len(found["seats"])) == (1, 101)
    assert "ada  since 2026-11-21  over the limit" in casemate("seats", "list", "duo_pro")[1]


def test_seats_are_given_and_taken_by_name(casemate: Run, desk: Desk) -> None:
    assert "ada, bob: given" in casemate("seats", "give", "duo_pro", "ada", "bob")[1]
    assert desk.heard[-1] == (f"POST {PURCHASES}/1/seats", {"user_ids": [7, 8]})
    assert json.loads(casemate("seats", "give", "duo_pro", "ada", "--json")[1]) == [a_seat()]
    assert "no seat" in casemate("seats", "take", "duo_pro", "ada")[1]
    assert desk.heard[-1] == (f"DELETE {PURCHASES}/1/seats", {"user_ids": [7]})


def test_a_groups_seats_are_given_where_it_bought_them(casemate: Run, desk: Desk) -> None:
    code, *_ = casemate("seats", "give", "duo_pro", "ada", "--namespace", "alpha/b")
    assert (code, desk.heard[-1][0]) == (0, f"POST {PURCHASES}/2/seats")


def test_what_nobody_bought_and_who_is_not_there_is_told(casemate: Run) -> None:
    code, _, err = casemate("seats", "give", "duo_core", "ada")
    assert (code, "duo_pro was" in err) == (2, True)
    code, _, err = casemate("seats", "give", "duo_pro", "eve")
    assert (code, "no user 'eve'" in err) == (2, True)
