"""Slots whose programs only note what they are asked for, and fail on wish."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from install import config, locking
from install.config import Config
from install.places import Places
from install.slots import slot, switching
from install.slots.journal import Journal
from install.slots.slot import Slot, SlotModel
from install.slots.switching import Switch

PROGRAM = f"""#!{sys.executable} -I
import json, pathlib, sys, time
words = sys.argv[1:]
if "--" in words:
    words = words[words.index("--") + 2:]
module, words = words[2], words[3:]
own = pathlib.Path(__file__).parents[2]
home = own.parents[1]
what = f"{{own.name}} {{module}} {{words[0] if words else ''}}".strip()
stdin = sys.stdin.read() if not sys.stdin.isatty() else ""
with (home / "calls.txt").open("a") as calls:
    calls.write(what + "\\n")
wishes = home / "wishes.json"
wish = json.loads(wishes.read_text()).get(what, {{}}) if wishes.exists() else {{}}
print("a step of", what, file=sys.stderr, flush=True)
while wish.get("hang"):
    time.sleep(0.1)
if "fail" in wish:
    print(json.dumps({{"error": {{"code": wish["fail"], "message": "it was wished for"}}}}))
    sys.exit(1)
print(json.dumps(wish.get("say", {{"stdin": stdin}})))
"""


def a_slot(places: Places, name: str, *, release: str = "0.1.0", generation: int = 1) -> Slot:
    """Lays out a slot with a program that notes its calls."""
    folder = places.slots / name
    a_program(folder)
    model = SlotModel(ref="m", name="M", family="general", context_tokens=None, path="/weights")
    facts = Slot(
        release=release,
        schema_generation=generation,
        bundle=name * 64,
        device="cpu",
        models=(model,),
        packages=("services-1", "model-server-cpu-1"),
    )
    slot.write(folder, facts)
    return facts


def a_program(folder: Path) -> None:
    """Lays out the program that notes its calls in a slot's folder."""
    program = folder / "services" / "bin" / "python"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (folder / "services" / "stamp.json").write_text("{}")
    (folder / "acceptance.json").write_text("{}")


@pytest.fixture
def two_slots(places: Places) -> Places:
    """A home whose slot `a` is in use, with a newer release in `b`."""
    a_slot(places, "a")
    a_slot(places, "b", release="0.2.0")
    switching.point(places, "slots/a")
    config.save(places.config, Config())
    return places


@pytest.fixture
def lock(places: Places) -> Iterator[int]:
    """The home's lock, held."""
    handle = locking.take(places)
    with locking.held(places, handle):
        yield handle


@pytest.fixture
def calls(places: Places) -> Callable[[], list[str]]:
    """What the programs were asked for, in order."""

    def read() -> list[str]:
        path = places.home / "calls.txt"
        return path.read_text().splitlines() if path.exists() else []

    return read


@pytest.fixture
def wish_for(places: Places) -> Callable[[dict[str, object]], None]:
    """Makes programs fail, hang, or say something: by slot, module and first word."""

    def write(wishes: dict[str, object]) -> None:
        (places.home / "wishes.json").write_text(json.dumps(wishes))

    return write


@pytest.fixture
def change(two_slots: Places, lock: int) -> Switch:
    """A change from `a` to `b` that has begun."""
    journal = Journal(two_slots)
    facts = {"release": "0.2.0", "bundle": "b" * 64}
    number = journal.begin("apply", origin="slots/a", goal="slots/b", facts=facts)
    return Switch(
        places=two_slots,
        journal=journal,
        number=number,
        origin="slots/a",
        goal="slots/b",
        lock=lock,
    )


def the_pointer(places: Places) -> Path | None:
    """What is in use."""
    return places.pointer.readlink() if places.pointer.is_symlink() else None
