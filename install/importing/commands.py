"""`casemate models import`, `imported` and `forget`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from install import bootstrap, config, locking
from install.config import Config
from install.errors import InstallError, NotInstalledError
from install.importing import records
from install.importing.errors import ModelServedError, NotImportedError, WeightsRefusedError
from install.importing.records import Imported
from install.places import Places
from install.progress import Display, size

if TYPE_CHECKING:
    from install.importing.work import Importer

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")]


def _here() -> tuple[Places, Config]:
    places = bootstrap.find_places()
    settings = config.load(places.config)
    if settings is None:
        raise NotInstalledError(places.home)
    return places, settings


def import_model(  # noqa: PLR0913  # each is an option of the command line
    source: Annotated[
        Path,
        typer.Argument(metavar="DIR|FILE", help="A folder of weights, or a bundle with models."),
    ],
    *,
    ref: Annotated[
        str | None, typer.Option(help="What clients call it; default from the folder's name.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="For people; default the folder's.")] = None,
    family: Annotated[str | None, typer.Option(help="For its prompts; default general.")] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve it at once; back to the old one if it fails.")
    ] = False,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Take files that can run programs, too.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Import it although it seems not to fit here.")
    ] = False,
    fingerprint: Annotated[
        str | None, typer.Option(help="Of a bundle: the signer must have this key.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a model's weights, copy them in once, and serve them if asked to."""
    from install.importing import serving, work
    from install.importing.work import Importer, Wish

    places, settings = _here()
    steps = (*work.STEPS, serving.SERVE, serving.BACK) if serve else work.STEPS
    display = Display.on(sys.stderr if as_json else sys.stdout, steps=steps)
    wish = Wish(ref=ref, name=name, family=family, is_pickle_allowed=allow_pickle, is_forced=force)
    importer = Importer(places=places, settings=settings, wish=wish, display=display)
    try:
        found = _import(importer, source, fingerprint)
    except OSError as cause:
        sentence = f"The weights could not be copied: {cause.strerror}. Run it again; it goes on."
        raise InstallError(sentence) from cause
    answer = _serve(importer, found) if serve else None
    _tell(importer, found, answer, as_json=as_json)


def _import(importer: "Importer", source: Path, fingerprint: str | None) -> Sequence[Imported]:
    if not source.is_file():
        return [importer.folder(source)]
    from install.bundle import looking

    options = argparse.Namespace(bundle=source, fingerprint=fingerprint, allow_unsigned=False)
    return importer.bundle(source, looking.verified(options))


def _serve(importer: "Importer", found: Sequence[Imported]) -> dict[str, Any]:
    if len(found) > 1:
        refs = ", ".join(each.ref for each in found)
        sentence = f"{refs} are imported; one is served at a time: `casemate up --model DIR`."
        raise WeightsRefusedError(sentence)
    from install.importing import serving

    was_running = serving.is_running(importer.places, importer.settings)
    return serving.serve(
        importer.places,
        importer.settings,
        found[0],
        was_running=was_running,
        display=importer.display,
    )


def _tell(
    importer: "Importer",
    found: Sequence[Imported],
    answer: dict[str, Any] | None,
    *,
    as_json: bool,
) -> None:
    if as_json:
        models = [{**each.as_dict(), "path": str(each.path(importer.places))} for each in found]
        served = {"ref": answer["model"], "answer": answer["answer"]} if answer else None
        print(json.dumps({"models": models, "served": served}))
        return
    for each in found:
        path = each.path(importer.places)
        print(f"{each.ref} is imported: {size(each.bytes)} in {path}.")
        if answer is None:
            print(f"  casemate up --model {path} serves it.")
    if answer:
        print(f"{answer['model']} is served: {answer['answer'] or answer['not_asked']}")


def list_imported(*, as_json: AsJson = False) -> None:
    """The models that were imported, and which is served."""
    places, settings = _here()
    found = [_line(places, settings, each) for each in records.all_of(places)]
    if as_json:
        print(json.dumps(found))
        return
    from rich.table import Table

    from install.summary import console_on

    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in ("ref", "name", "family", "size", "imported", "served"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "ref")
    for each in found:
        words = (str(each[name]) for name in ("ref", "name", "family"))
        served = "yes" if each["is_served"] else "no"
        table.add_row(*words, size(each["bytes"]), each["at"], served)
    console_on(sys.stdout).print(table)


def _line(places: Places, settings: Config, imported: Imported) -> dict[str, Any]:
    path = imported.path(places)
    return {
        **imported.as_dict(),
        "path": str(path),
        "is_served": settings.model == str(path),
    }


def forget(
    ref: Annotated[str, typer.Argument(help="The imported model's ref.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Remove an imported model's weights; files that another model has too stay."""
    from install.importing import serving, store, work

    places, settings = _here()
    # A bundle that is applied meanwhile may be about to stand on this very model.
    with locking.held(places), work.held(places):
        settings = config.load(places.config) or settings
        known = records.all_of(places)
        found = [each for each in known if each.ref == ref]
        if not found:
            # One that was cut has left what it had no time for.
            store.sweep(places, with_parts=True)
            raise NotImportedError(ref, sorted({each.ref for each in known}))
        used = serving.folders_in_use(places, settings)
        if any(each.path(places) in used for each in found):
            raise ModelServedError(ref)
        for each in found:
            store.discard(each.path(places))
            records.remove(places, each)
        freed = store.sweep(places, with_parts=True)
    if as_json:
        print(json.dumps({"ref": ref, "freed_bytes": freed}))
    else:
        print(f"{ref} is removed; {size(freed)} freed.")
