import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from install.support import patterns
from install.support.replacing import LEFT_OUT, Marks
from tests.install.support.test_patterns import PLANTED

KEY = b"k" * 32
MARK = re.compile(r"<[a-z-]+:[0-9a-f]{10}>")


def marks() -> Marks:
    return Marks(KEY, users=["ada", "Ada Lovelace", "x"], hosts=["box7.lab.example"])


@pytest.mark.parametrize("text", PLANTED)
def test_every_secret_by_its_looks_is_replaced(text: str) -> None:
    replaced = marks().replace(text)
    assert patterns.kinds_in(replaced) == set()
    assert MARK.search(replaced)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("mail from ada@lab.example came", "ada@lab.example"),
        ("peer 10.1.2.3 left", "10.1.2.3"),
        ("peer 2001:db8::7 left", "2001:db8::7"),
        ("refused 10.9.8.7.", "10.9.8.7"),
        ("at 10.9.8.7. Next", "10.9.8.7"),
        ("from ...10.9.8.7", "10.9.8.7"),
        ("refused fd00::1.", "fd00::1"),
        ("fd00::1: refused", "fd00::1"),
        ("at http://models.lab.example:8000/v1", "models.lab.example"),
        ("on box7.lab.example", "box7.lab.example"),
        ("/home/grace/x", "grace"),
        ("user Ada logged in", "Ada"),
        ("by Ada Lovelace", "Lovelace"),
        ('{"user_id": 1234}', "1234"),
        ('{"username": "grace"}', "grace"),
        ('{"client_ip": "10.1.2.3"}', "10.1.2.3"),
        ("id 6f0dd1d8-9c1c-4a5c-8c34-7a5d2f3a3b11", "6f0dd1d8"),
        ("request c8a230326d8d4e06a1d9c1196ac4c9ec", "c8a230326d8d4e06a1d9c1196ac4c9ec"),
    ],
)
def test_who_and_where_is_replaced(text: str, gone: str) -> None:
    replaced = marks().replace(text)
    assert gone not in replaced
    assert MARK.search(replaced)


@pytest.mark.parametrize(
    "text",
    [
        "listening on 127.0.0.1:8080 and [::1]:8080, 0.0.0.0",
        '{"event": "model_ready", "ref": "starter", "at": "2026-11-22T01:36:56Z"}',
        "version 0.11.0, kernel 6.1.0-18",
        "version 1.2.3.4.5, at 12:34:56: done.",
        "the adapter was loaded",
    ],
)
def test_what_tells_nothing_stays(text: str) -> None:
    assert marks().replace(text) == text


def test_a_line_that_may_hold_a_question_is_left_out() -> None:
    text = (
        'one\n{"messages": [{"role": "user", "content": "my secret plan"}]}\nprompt: \'x\'\ntwo\n'
    )
    assert marks().replace(text) == f"one\n{LEFT_OUT}\n{LEFT_OUT}\ntwo\n"


def test_the_same_value_has_the_same_mark_in_one_file_only() -> None:
    one, two = marks(), Marks(b"o" * 32)
    first, second = one.replace("10.1.2.3 and 10.1.2.3").split(" and ")
    assert first == second != two.replace("10.1.2.3")
    assert one.count["address"] == 2


def test_json_stays_json() -> None:
    value = {"user_id": 7, "address": "10.1.2.3", "note": "ada@x.example said", "count": 3}
    found = json.loads(marks().replace(json.dumps(value)))
    assert (found["count"], found["note"].endswith(" said")) == (3, True)
    assert MARK.fullmatch(found["user_id"])


def test_a_secret_with_marks_and_quotes_in_it_goes_as_a_whole() -> None:
    assert "cdef12" not in marks().replace('password="ab<cdef12"')
    found = json.loads(marks().replace(r'{"note": "x {\"password\": \"p1q2r3s4\"} y", "b": 1}'))
    assert found["b"] == 1
    assert "p1q2r3s4" not in found["note"]
    assert MARK.fullmatch(json.loads(marks().replace(r'{"password": "p\"q12345"}'))["password"])


@given(st.text(max_size=200), st.ip_addresses(v=4).filter(lambda ip: not ip.is_loopback))
def test_no_address_stays_whatever_stands_around(text: str, address: object) -> None:
    line = f"{text} {address} {text}"
    if str(address) != "0.0.0.0":  # noqa: S104  # only compared
        assert f" {address} " not in marks().replace(line)


@given(st.text(max_size=300))
def test_replacing_twice_finds_no_more_secrets(text: str) -> None:
    assert patterns.kinds_in(marks().replace(text)) == set()
