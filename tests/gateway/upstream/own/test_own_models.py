import os
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.contract.catalog import load_catalog
from gateway.contract.definitions import Definitions
from gateway.errors import StateError
from gateway.upstream.own.own_models import Brought, OwnModels
from tests.fakes.own_files import AdminsFiles, a_feature, a_model, an_upstream


@pytest.fixture
def files(tmp_path: Path) -> AdminsFiles:
    files = AdminsFiles(tmp_path)
    files.define(a_model(), a_model("small"), features=[a_feature(default_model="big")])
    files.bind(an_upstream())
    return files


def published(brought: Brought) -> Definitions:
    return msgspec.json.decode(brought.document, type=Definitions)


async def looked(own: OwnModels) -> list[Brought]:
    """What two looks make of what was written: a file that is new is read twice."""
    changes: list[Brought] = []
    for _ in range(2):
        await own.look(changes.append)
    return changes


def test_what_is_bound_is_published_as_served(files: AdminsFiles) -> None:
    brought = OwnModels(files.said()).brought
    assert [each.ref for each in brought.models] == ["big"]
    document = published(brought)
    assert {each.identifier: each.served for each in document.models} == {
        "big": True,
        "small": False,
    }
    assert document.unit_primitives[0].default_model == "big"


def test_the_families_of_the_release_are_published(files: AdminsFiles) -> None:
    catalog = load_catalog()
    families = {each.name: each for each in published(OwnModels(files.said()).brought).families}
    assert families.keys() == catalog.model_families.keys()
    fill = families["codegemma"]
    assert (fill.prompt_style, fill.context_tokens, fill.release_state) == (
        "fim_tokens",
        8000,
        "BETA",
    )
    assert fill.features == ("code_generations", "code_completions")


def test_without_files_the_shipped_models_are_published_and_none_is_served(tmp_path: Path) -> None:
    brought = OwnModels(AdminsFiles(tmp_path).said()).brought
    assert brought.models == ()
    assert not any(each.served for each in published(brought).models)


def test_every_problem_of_both_files_stops_the_start(files: AdminsFiles) -> None:
    files.define(a_model(family="x"), a_model("a"), a_model("A"))
    files.bind(an_upstream("b"), an_upstream(endpoints=[]))
    with pytest.raises(StateError) as refused:
        OwnModels(files.said())
    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        *["CASEMATE_DEFINITIONS_FILE"] * 2,
        *["CASEMATE_UPSTREAMS_FILE"] * 2,
    ]


def test_a_document_that_no_instance_takes_is_refused(files: AdminsFiles) -> None:
    text = "x" * 1000
    models = (a_model(f"model_{number}", description=text) for number in range(9000))
    files.define(a_model(), *models)
    with pytest.raises(StateError, match="bytes, 8388608 are the most"):
        OwnModels(files.said())


async def test_a_change_of_either_file_counts_without_a_restart(files: AdminsFiles) -> None:
    own = OwnModels(files.said())
    before = own.brought.etag
    files.bind(an_upstream(), an_upstream("small"))
    (changed,) = await looked(own)
    assert [each.ref for each in changed.models] == ["big", "small"]
    assert own.brought is changed
    assert changed.etag != before
    files.define(a_model(), a_model("small"), a_model("third"))
    (changed,) = await looked(own)
    assert len(published(changed).models) == 3


async def test_nothing_is_said_when_nothing_has_changed(files: AdminsFiles) -> None:
    own = OwnModels(files.said())
    os.utime(files.upstreams, ns=(1, 1))
    assert await looked(own) == []


async def test_a_change_that_cannot_be_used_keeps_what_was_until_it_is_mended(
    files: AdminsFiles,
) -> None:
    own = OwnModels(files.said())
    files.define(a_model("small"))
    with capture_logs() as lines:
        assert await looked(own) == []
    (line,) = [line for line in lines if line["event"] == "own_models_refused"]
    assert line["log_level"] == "error"
    assert len(line["problems"]) == 1
    assert [each.ref for each in own.brought.models] == ["big"]
    files.bind(an_upstream("small"))
    (changed,) = await looked(own)
    assert [each.ref for each in changed.models] == ["small"]


async def test_a_file_that_is_gone_keeps_what_was(files: AdminsFiles) -> None:
    own = OwnModels(files.said())
    files.upstreams.unlink()
    assert await looked(own) == []
    assert own.brought.models


async def test_a_new_key_counts_and_so_does_one_that_was_mended(files: AdminsFiles) -> None:
    files.bind(an_upstream(api_key_file=files.key_file("first")))
    own = OwnModels(files.said())
    assert await looked(own) == []
    files.key_file("second")
    (changed,) = await looked(own)
    assert changed.models[0].api_key == "second"
    (files.folder / "model.key").chmod(0o644)
    assert await looked(own) == []
    (files.folder / "model.key").chmod(0o600)
    assert await looked(own) == []
    files.key_file("third")
    (changed,) = await looked(own)
    assert changed.models[0].api_key == "third"
