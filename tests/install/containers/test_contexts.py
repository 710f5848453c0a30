import io
import tarfile
from pathlib import Path

import pytest

from install.containers.contexts import Recipe, copied, header, labelled
from install.containers.errors import BuildError

DOCKERFILE = """FROM base AS build
COPY wheels/pip/ wheels/gateway/ locks/gateway.lock /wheels/
COPY --chown=1:1 gateway \\
    /srv/gateway
FROM base
COPY --from=build /srv /srv
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    for name in ("locks/gateway.lock", "gateway/app.py", "gateway/__pycache__/app.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    return Recipe(
        service="gateway",
        root=tmp_path,
        dockerfile=tmp_path / "Dockerfile",
        locks={"gateway": tmp_path / "locks" / "gateway.lock"},
        arguments={"VERSION": "1"},
    )


def test_what_a_dockerfile_copies_is_read_from_it() -> None:
    assert copied(DOCKERFILE) == ["wheels/pip", "wheels/gateway", "locks/gateway.lock", "gateway"]


def test_a_context_holds_what_is_copied_and_no_owner_or_time(
    recipe: Recipe, tmp_path: Path
) -> None:
    wheel = tmp_path / "a-1-py3-none-any.whl"
    wheel.write_bytes(b"x" * 1000)
    stream = b"".join(recipe.context({"gateway": [wheel]}, labels={"a": "b"}))
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        members = {each.name: each for each in archive.getmembers()}
        text = archive.extractfile("Dockerfile")
        assert text is not None
        assert text.read().decode().count("LABEL a=b") == 2
    assert set(members) == {
        "Dockerfile",
        "gateway/app.py",
        "locks/gateway.lock",
        "wheels/gateway/a-1-py3-none-any.whl",
    }
    assert {(each.uid, each.mtime, each.mode) for each in members.values()} == {(0, 0, 0o644)}


def test_labels_stand_at_the_start_of_each_stage() -> None:
    assert (
        labelled("FROM a\nRUN x\nfrom b", {"l": "1"})
        == "FROM a\nLABEL l=1\nRUN x\nfrom b\nLABEL l=1"
    )


def test_every_part_of_a_recipe_changes_its_digest(recipe: Recipe, tmp_path: Path) -> None:
    seen = {recipe.digest("base-1"), recipe.digest("base-2")}
    for name in ("gateway/app.py", "locks/gateway.lock", "Dockerfile"):
        (tmp_path / name).write_text((tmp_path / name).read_text() + "\n")
        seen.add(recipe.digest("base-1"))
    assert len(seen) == 5
    (tmp_path / "gateway" / "__pycache__" / "app.pyc").write_text("other")
    assert recipe.digest("base-1") in seen


def test_a_missing_source_is_named(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "locks" / "gateway.lock").unlink()
    with pytest.raises(BuildError, match="which it is made from, is missing"):
        recipe.sources()


def test_a_file_of_any_size_has_one_header() -> None:
    large = header("layer.tar", 20 << 30)
    assert len(large) == tarfile.BLOCKSIZE
    assert tarfile.TarInfo.frombuf(large, "ascii", "strict").size == 20 << 30
