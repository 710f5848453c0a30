import json
from dataclasses import replace

import pytest

from install.config import Config, save
from install.containers import operating
from install.containers.errors import EngineMissingError
from install.doctor.box import Box
from install.errors import StoppedError
from install.places import Places
from install.support import collecting
from install.support.collecting import MOST_BYTES, Part


def a_part(text: str) -> Part:
    return Part(name="x", about="", read=lambda _: text)


def test_of_what_is_too_long_the_end_stays(places: Places) -> None:
    text = "".join(f"{number:0100d}\n" for number in range(20_000))
    found = collecting.read(a_part(text), Box(places=places))
    assert MOST_BYTES - 101 <= len(found) <= MOST_BYTES
    assert text.endswith(found)
    assert len(found.splitlines()[0]) == 100


def test_what_cannot_be_read_says_why(places: Places) -> None:
    def refuse(_: Box) -> str:
        sentence = "It is stopped."
        raise StoppedError(sentence)

    part = Part(name="x", about="", read=refuse)
    assert json.loads(collecting.read(part, Box(places=places))) == {"not_read": "It is stopped."}


def test_receipts_are_told_without_what_nobody_asked_for(places: Places) -> None:
    places.receipts.mkdir()
    inner = json.dumps({"number": 1, "kind": "apply", "host": "box7"})
    text = json.dumps({"receipt": inner, "signature": "x"})
    (places.receipts / "0001-apply.json").write_text(text)
    part = next(each for each in collecting.parts(1) if each.name == "receipts.json")
    assert json.loads(collecting.read(part, Box(places=places))) == [{"kind": "apply", "number": 1}]


class AProject:
    def do(self, *words: str) -> str:
        return f"{' '.join(words)}\n"


def a_log(places: Places, name: str) -> str:
    part = next(each for each in collecting.parts(7) if each.name == f"logs/{name}.log")
    return collecting.read(part, Box(places=places))


def test_the_logs_of_containers_come_from_the_engine(
    places: Places, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(places.config, replace(config, containers=True))
    (places.logs / "install.log").write_text("one\n")
    monkeypatch.setattr(operating, "open_project", lambda *_: (AProject(), None))
    assert a_log(places, "gateway") == "logs --no-color --no-log-prefix --tail 7 gateway\n"
    assert a_log(places, "install") == "one\n"


def test_the_logs_of_containers_without_an_engine_say_why_not(
    places: Places, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        sentence = "There is no engine."
        raise EngineMissingError(sentence)

    save(places.config, replace(config, containers=True))
    monkeypatch.setattr(operating, "open_project", away)
    assert json.loads(a_log(places, "instance")) == {"not_read": "There is no engine."}


def test_damaged_settings_keep_no_log_away(places: Places) -> None:
    places.config.write_text("{")
    (places.logs / "gateway.log").write_text("one\n")
    assert a_log(places, "gateway") == "one\n"


def test_no_two_parts_have_one_name() -> None:
    names = [part.name for part in collecting.parts(1)]
    assert len(set(names)) == len(names)
