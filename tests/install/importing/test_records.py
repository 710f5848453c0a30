from pathlib import Path

from install.importing import records
from install.importing.records import Imported
from install.places import Places

IMPORTED = Imported(
    ref="m",
    name="M",
    family="general",
    context_tokens=None,
    digest="ab" * 32,
    folder="m@abababababab",
    bytes=3,
    at="2026-11-01T00:00:00+00:00",
)


def test_a_model_is_known_by_the_folder_of_its_weights(places: Places) -> None:
    assert records.all_of(places) == []
    records.write(places, IMPORTED)
    # Without its weights it is not there.
    assert records.all_of(places) == []
    IMPORTED.path(places).mkdir()
    assert records.of_folder(places, IMPORTED.path(places)) == IMPORTED
    assert records.of_folder(places, Path("/elsewhere")) is None
    records.remove(places, IMPORTED)
    assert records.all_of(places) == []


def test_what_cannot_be_read_is_left_out(places: Places) -> None:
    records.write(places, IMPORTED)
    IMPORTED.path(places).mkdir()
    folder = places.models / ".imported"
    (folder / "a.json").write_text("{")
    (folder / "b.json").write_text('{"ref": "x"}')
    assert records.all_of(places) == [IMPORTED]
