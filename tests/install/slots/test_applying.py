import errno
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from install import config, locking
from install.bundle import pins
from install.bundle.errors import BundleError, TrustNotConfirmedError
from install.bundle.verifying import Asks
from install.config import Config
from install.errors import AlreadyWorkingError, UnfitMachineError
from install.options import parse_up
from install.places import Places
from install.preflight.findings import Finding, Report
from install.progress import Display, Step
from install.slots import going_back, receipts, slot
from install.slots import journal as journals
from install.slots.applying import Applied, Applying
from install.slots.fitting import DatabaseTooNewError, DeviceMissingError, OlderBundleError
from install.slots.going_back import NothingBeforeError
from install.slots.journal import Journal
from install.slots.making import Maker, Packages
from install.slots.preparing import DiskFullError
from install.slots.program import ProgramError
from install.slots.slot import Slot
from install.slots.switching import RevertedError
from tests.bundle_builders import the_signing_key
from tests.install.slots.conftest import a_program, the_pointer
from tests.small_bundle import the_bundle

Apply = Callable[..., Applied]
Calls = Callable[[], list[str]]
Wish = Callable[[dict[str, object]], None]
UP = "install.cli up"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bundles by release."""
    folder = tmp_path_factory.mktemp("carried")
    return {
        release: the_bundle(folder / f"{release}.bundle", release=release)
        for release in ("0.1.0", "0.2.0", "0.3.0")
    }


def a_report(*, problems: tuple[str, ...] = (), warnings: tuple[str, ...] = ()) -> Report:
    """What a look at a machine comes to."""
    return Report(findings=[Finding(name="disk", found="", problems=problems, warnings=warnings)])


@pytest.fixture(autouse=True)
def fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that suits every bundle, whatever this one is."""
    found = a_report(warnings=("The disk is slow.",))
    monkeypatch.setattr("install.preflight.bundle.check", lambda *_a, **_k: found)
    monkeypatch.setenv("CASEMATE_DEVICE", "cpu")


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slots whose programs note their calls; that they are made rightly is shown elsewhere."""

    def packages(maker: Maker, kind: str, _step: Step) -> Packages:
        folder = maker.places.packages / f"{kind}-1"
        folder.mkdir(parents=True, exist_ok=True)
        return Packages(name=folder.name, folder=folder, lock=folder.with_suffix(".lock"))

    def make(_maker: Maker, folder: Path, facts: Slot, _packages: object) -> None:
        a_program(folder)
        slot.write(folder, facts)

    monkeypatch.setattr(Maker, "packages", packages)
    monkeypatch.setattr(Maker, "slot", make)


@pytest.fixture
def apply(places: Places, bundles: dict[str, Path], config: Config) -> Iterator[Apply]:
    """Applies the bundle of a release."""
    words = ["--instance-port", str(config.instance_port)]

    def run(release: str = "0.1.0", *, asks: Asks | None = None) -> Applied:
        fingerprint = the_signing_key().fingerprint
        return Applying(
            places=places,
            path=bundles[release],
            words=words,
            options=parse_up(words),
            asks=asks or Asks(fingerprint=fingerprint),
            display=Display.on(io.StringIO()),
        ).run()

    yield run
    assert not list(places.packages.glob(".wheels*"))


@pytest.fixture
def upgraded(apply: Apply, places: Places) -> Places:
    """A home with 0.2.0 in use and 0.1.0 before it."""
    apply("0.1.0")
    config.save(places.config, Config())
    apply("0.2.0")
    return places


def test_a_first_bundle_is_installed_and_its_signer_pinned(
    apply: Apply, places: Places, calls: Calls
) -> None:
    done = apply()
    assert (done.release, done.before, done.slot) == ("0.1.0", None, "slots/a")
    assert str(the_pointer(places)) == "slots/a"
    assert calls()[:2] == [f"a {UP}", "a install.slots.acceptance accept"]
    pin = pins.pinned(places.trust)
    assert pin is not None
    assert pin.fingerprint == the_signing_key().fingerprint
    (receipt,) = receipts.read_all(places)
    assert (receipt["release"], receipt["is_unsigned"]) == ("0.1.0", False)
    assert "a install.local_work audit" in calls()
    assert done.notes == ("The disk is slow.",)


def test_every_step_is_in_the_journal_in_order(apply: Apply, places: Places) -> None:
    apply()
    assert Journal(places).attempts()[-1].steps == journals.STEPS


def test_an_upgrade_rehearses_then_stops_then_starts(upgraded: Places, calls: Calls) -> None:
    found = calls()
    switch = found.index("b install.slots.rehearsal rehearse")
    assert found[switch + 1 : switch + 4] == [
        "a install.cli down",
        f"b {UP}",
        "b install.slots.acceptance accept",
    ]
    current = slot.current(upgraded)
    assert current is not None
    assert current.release == "0.2.0"


def test_the_bundle_in_use_is_only_started(apply: Apply, calls: Calls, places: Places) -> None:
    apply()
    before = len(Journal(places).attempts())
    done = apply()
    assert done.was_there
    assert calls()[-1] == f"a {UP}"
    assert len(Journal(places).attempts()) == before


def test_a_release_that_does_not_start_leaves_the_one_before(
    apply: Apply, places: Places, wish_for: Wish, calls: Calls
) -> None:
    apply("0.1.0")
    config.save(places.config, Config())
    wish_for({f"b {UP}": {"fail": "service_not_ready"}})
    with pytest.raises(RevertedError, match="runs again"):
        apply("0.2.0")
    assert str(the_pointer(places)) == "slots/a"
    assert [each for each in calls() if each.endswith(UP)][-1] == f"a {UP}"
    wish_for({})
    assert apply("0.2.0").release == "0.2.0"


def test_a_release_that_fails_its_rehearsal_touches_nothing(
    apply: Apply, places: Places, wish_for: Wish, calls: Calls
) -> None:
    apply("0.1.0")
    config.save(places.config, Config())
    wish_for({"b install.slots.rehearsal rehearse": {"fail": "set_up_failed"}})
    with pytest.raises(ProgramError, match="wished for"):
        apply("0.2.0")
    assert "a install.cli down" not in calls()
    assert str(the_pointer(places)) == "slots/a"


def test_an_older_bundle_is_refused(upgraded: Places, apply: Apply, calls: Calls) -> None:
    before = len(calls())
    with pytest.raises(OlderBundleError, match="rollback"):
        apply("0.1.0")
    assert len(calls()) == before
    assert str(the_pointer(upgraded)) == "slots/b"


def test_a_database_of_a_later_time_is_refused(
    apply: Apply, places: Places, wish_for: Wish
) -> None:
    apply("0.1.0")
    config.save(places.config, Config())
    wish_for({"a install.local_work database": {"say": {"generation": 1, "database": 3}}})
    with pytest.raises(DatabaseTooNewError):
        apply("0.2.0")
    assert str(the_pointer(places)) == "slots/a"


def test_a_machine_that_does_not_suit_is_left_alone(
    apply: Apply, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = a_report(problems=("There is no room.",))
    monkeypatch.setattr("install.preflight.bundle.check", lambda *_a, **_k: found)
    with pytest.raises(UnfitMachineError, match="no room"):
        apply()
    assert Journal(places).attempts() == ()
    assert not places.packages.exists()


def test_a_bundle_for_another_device_is_refused(
    apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEMATE_DEVICE", "cuda")
    with pytest.raises(DeviceMissingError):
        apply()


def test_a_signer_that_nobody_confirmed_is_refused(apply: Apply, places: Places) -> None:
    with pytest.raises(TrustNotConfirmedError):
        apply(asks=Asks())
    assert not places.trust.exists()
    assert not places.slots.exists()


def test_a_damaged_bundle_is_refused_before_anything_is_touched(
    apply: Apply, places: Places, bundles: dict[str, Path], tmp_path: Path
) -> None:
    content = bytearray(bundles["0.2.0"].read_bytes())
    content[len(content) // 2] ^= 1
    bad = tmp_path / "bad.bundle"
    bad.write_bytes(content)
    bundles["bad"] = bad
    with pytest.raises(BundleError):
        apply("bad")
    assert not places.slots.exists()


def test_two_at_once_are_one(apply: Apply, places: Places) -> None:
    handle = locking.take(places)
    with locking.held(places, handle), pytest.raises(AlreadyWorkingError):
        apply()


@pytest.mark.parametrize("step", ["packages", "weights", "slot"])
def test_a_full_disk_is_said_and_nothing_is_lost(
    apply: Apply, places: Places, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    apply("0.1.0")
    config.save(places.config, Config())

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Maker, step, full)
        with pytest.raises(DiskFullError, match="nothing that runs was touched"):
            apply("0.2.0")
    assert str(the_pointer(places)) == "slots/a"
    assert apply("0.2.0").release == "0.2.0"


def test_an_unsigned_bundle_is_in_the_audit_log(apply: Apply, places: Places, calls: Calls) -> None:
    apply("0.1.0", asks=Asks(fingerprint="SHA256:none", is_unsigned_allowed=True))
    assert calls().count("a install.local_work audit") == 2
    assert not places.trust.exists()
    (receipt,) = receipts.read_all(places)
    assert receipt["is_unsigned"]


def test_a_rollback_goes_back_to_the_release_before(upgraded: Places, calls: Calls) -> None:
    done = going_back.roll_back(upgraded, Display.on(io.StringIO()))
    assert (done.release, done.before, done.slot) == ("0.1.0", "0.2.0", "slots/a")
    assert str(the_pointer(upgraded)) == "slots/a"
    assert f"a {UP}" in calls()
    assert [each["kind"] for each in receipts.read_all(upgraded)] == ["apply", "apply", "rollback"]


def test_the_first_release_has_none_before_it(apply: Apply, places: Places) -> None:
    apply()
    with pytest.raises(NothingBeforeError):
        going_back.roll_back(places, Display.on(io.StringIO()))


def test_packages_that_no_slot_uses_go(upgraded: Places) -> None:
    assert len([each for each in upgraded.packages.iterdir() if each.is_dir()]) == 2


def test_a_release_that_was_put_back_is_nothing_to_roll_back_to(
    apply: Apply, places: Places, wish_for: Wish
) -> None:
    apply("0.1.0")
    config.save(places.config, Config())
    wish_for({f"b {UP}": {"fail": "service_not_ready"}})
    with pytest.raises(RevertedError):
        apply("0.2.0")
    wish_for({})
    with pytest.raises(NothingBeforeError):
        going_back.roll_back(places, Display.on(io.StringIO()))
    assert str(the_pointer(places)) == "slots/a"


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_slot_that_power_cut_is_made_anew(upgraded: Places, apply: Apply, name: str) -> None:
    (upgraded.slots / name / slot.FACTS).write_text("")
    assert apply("0.3.0").release == "0.3.0"
    assert str(the_pointer(upgraded)) == "slots/a"


def test_a_damaged_slot_in_use_is_replaced_by_the_same_release(
    apply: Apply, places: Places, wish_for: Wish
) -> None:
    apply("0.1.0")
    config.save(places.config, Config())
    wish_for({f"a {UP}": {"fail": "slot_damaged"}})
    done = apply("0.1.0")
    assert (done.slot, done.was_there) == ("slots/b", False)
    assert any("damaged" in note for note in done.notes)
