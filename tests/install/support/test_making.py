import base64
import json
from collections.abc import Callable, Iterator

import pytest

from install import contents
from install.doctor.box import Box
from install.errors import SettingError
from install.places import Places
from install.support.errors import SecretFoundError
from install.support.making import Made, make
from tests.fakes import parts
from tests.install.doctor.conftest import ANSWERS, SAYS, a_status

PASSWORD = "Gq3-vTz9WmXk2LpR7sNb"
MODELS = "/api/v4/ai/self_hosted_models"
USERS = [
    dict(contents.ADMIN),
    {"username": "grace", "name": "Grace Hopper", "email": "grace@navy.example"},
]


@pytest.fixture
def box(parts_running: Places, installed: Places, wish: Callable[..., None]) -> Iterator[Box]:
    assert installed is parts_running
    parts.InstanceSurface.models = ()
    wish(answers={**ANSWERS, "/api/v4/users": [200, USERS]}, says=SAYS)
    contents.password_file(installed).write_text(PASSWORD)
    found = Box(places=installed, pause=lambda _: None, is_ours=lambda *_: True)
    found.status = a_status(str(installed.home))
    yield found
    found.close()


def made(box: Box, *without: str) -> Made:
    return make(box, key=b"k" * 32, lines=100, without=without)


def log(box: Box, text: str) -> None:
    (box.places.logs / "gateway.log").write_text(text)


def test_everything_that_helps_is_in_it(box: Box) -> None:
    log(box, "one\ntwo\n")
    found = made(box)
    assert {"inventory.json", "doctor.json", "status.json", "logs/gateway.log"} <= set(found.parts)
    assert found.parts["logs/gateway.log"] == b"one\ntwo\n"
    assert json.loads(found.parts["counts.json"])["gateways"] == 1
    assert json.loads(found.parts["database.json"])["generation"] == 1
    assert json.loads(found.parts["doctor.json"])["hops"]
    assert b"egress_refused" in found.parts["metrics.txt"]


def test_names_and_addresses_are_marks(box: Box) -> None:
    log(box, 'grace from 10.9.8.7\n{"user_id": 4711}\nGrace Hopper <grace@navy.example>\n')
    text = made(box).parts["logs/gateway.log"].decode()
    assert b'"hop": "admin"' in made(box).parts["doctor.json"]
    assert not any(each in text for each in ("grace", "Grace", "10.9.8.7", "4711", "navy"))


@pytest.mark.parametrize(
    "planted",
    [
        PASSWORD,
        base64.b64encode(PASSWORD.encode()).decode(),
        PASSWORD.encode().hex(),
        f"{PASSWORD[:9]}\n{PASSWORD[9:]}",
    ],
)
def test_a_secret_of_this_box_stops_the_file(box: Box, planted: str) -> None:
    log(box, f"it was {planted} then\n")
    with pytest.raises(SecretFoundError) as caught:
        made(box)
    assert (caught.value.name, caught.value.code) == ("logs/gateway.log", "secret_found")
    assert "what lies in credentials/admin_password" in caught.value.sentence
    assert PASSWORD not in caught.value.sentence
    assert "logs/gateway.log" not in made(box, "logs/gateway.log").parts


def test_a_part_that_there_is_not_cannot_be_left_out(box: Box) -> None:
    with pytest.raises(SettingError, match="There is no part x"):
        made(box, "x")


def test_what_is_handed_on_is_told_by_name_only(box: Box) -> None:
    handed_on = {"CASEMATE_DATABASE_URL": "postgresql://u:Gz8kW0qLm4@db.example/x"}
    object.__setattr__(box.settings, "handed_on", handed_on)
    found = made(box)
    assert json.loads(found.parts["config.json"])["handed_on"] == ["CASEMATE_DATABASE_URL"]
    assert not any(b"db.example" in each or b"Gz8kW0" in each for each in found.parts.values())


def test_answers_that_nobody_understands_keep_no_help_away(
    box: Box, wish: Callable[..., None]
) -> None:
    html = [200, "<html>Hello.</html>"]
    wish(answers=dict.fromkeys((*ANSWERS, "/api/v4/users", MODELS), html), says=SAYS)
    assert b"not_read" in made(box).parts["counts.json"]


def test_a_box_that_was_never_set_up_makes_one_too(places: Places) -> None:
    found = make(Box(places=places), key=b"k" * 32, lines=10)
    assert b"not_read" in found.parts["config.json"]
