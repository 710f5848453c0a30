"""One signed file is all that a box without a way out needs, from the first day to the last."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import releases
from tests.system.boxes import Box, fingerprint_of, no_way_out
from tests.system.driver import PYTHON

# A folder with such bundles from an earlier run, which take minutes to build.
MADE = os.environ.get("CASEMATE_TEST_CARRIED")
PASSPHRASE = "a phrase that only this test knows"


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder with two releases' bundles, real vLLM in both, and the key that signed them."""
    if MADE:
        return Path(MADE)
    starter_model = request.getfixturevalue("starter_model")
    folder = tmp_path_factory.mktemp("carried")
    for version, generation in (("0.1.0", None), ("0.2.0", 2)):
        release = releases.a_release(folder, version=version, stand_in=False, generation=generation)
        out = folder / f"casemate-{version}.bundle"
        releases.build(release, folder / "key", out, "--model", str(starter_model))
    return folder


@pytest.fixture
def box(carried: Path, tmp_path: Path) -> Iterator[Box]:
    """A box in a network namespace without a route."""
    with no_way_out() as within:
        made = Box(
            home=tmp_path / "home", within=within, fingerprint=fingerprint_of(carried / "key")
        )
        yield made
        if made.program.exists():
            made.casemate("down")
        assert made.processes() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a network namespace")
def test_a_bundle_is_all_that_a_box_needs(carried: Path, box: Box, tmp_path: Path) -> None:
    first, second = carried / "casemate-0.1.0.bundle", carried / "casemate-0.2.0.bundle"
    verify = [*box.within, str(PYTHON), str(first), "verify", "--fingerprint", box.fingerprint]
    verified = box.do(*verify, timeout_s=600)
    assert verified.returncode == 0, verified.stderr

    assert box.apply(first)["release"] == "0.1.0"
    assert box.ask()
    box.must("users", "create", "kept-over-all-this")

    # The installed program checks the next one, and then has it install itself.
    told = json.loads(box.must("bundle", "apply", str(second), "--json").splitlines()[-1])
    assert (told["release"], told["before"]) == ("0.2.0", "0.1.0")
    assert told["acceptance"]["asked"] == 1
    assert "0.2.0" in box.must("version")
    assert box.ask()

    box.must("bundle", "rollback")
    assert "0.1.0" in box.must("version")
    assert box.ask()

    passphrase, backup = tmp_path / "passphrase", tmp_path / "box.backup"
    passphrase.write_text(PASSPHRASE)
    passphrase.chmod(0o600)
    box.must("backup", "--to", str(backup), "--passphrase-file", str(passphrase))

    box.must("remove", "--yes")
    assert not box.home.exists()
    assert box.processes() == []

    # The rollback kept the live database, which has the second release's shape.
    box.apply(second)
    box.must("restore", str(backup), "--passphrase-file", str(passphrase))
    assert box.ask()
    box.must("users", "tokens", "kept-over-all-this")
