import json

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


def test_no_two_parts_have_one_name() -> None:
    names = [part.name for part in collecting.parts(1)]
    assert len(set(names)) == len(names)
