"""`casemate support-bundle` on the command line."""

import json
import secrets
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from install import bootstrap
from install.doctor.box import Box
from install.errors import InstallError
from install.progress import complain, size
from install.support import packing
from install.support.making import Made, make

LINES = 2000
KEY_BYTES = 32


def support_bundle(
    *,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; default casemate-support-TIME.zip.")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Print all that would be in it, and write nothing.")
    ] = False,
    lines: Annotated[int, typer.Option(min=0, max=20000, help="Of each log.")] = LINES,
    without: Annotated[
        list[str] | None, typer.Option(metavar="PART", help="Leave a part out; again for more.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")] = False,
) -> None:
    """Make a file that helps from afar: no secret, nobody's name, no question and no answer.

    Names, addresses and ids are marks that mean the same in one file and nothing outside it.
    """
    with closing(Box(places=bootstrap.find_places())) as box:
        made = make(box, key=secrets.token_bytes(KEY_BYTES), lines=lines, without=without or ())
        if preview:
            _preview(made, as_json=as_json)
            return
        content = packing.pack(made.parts)
        path = out or Path(f"casemate-support-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip")
        packing.write(path, content)
        facts = {"files": len(made.parts), "bytes": len(content)}
        _note(box, facts)
    if as_json:
        print(json.dumps({"file": str(path), **facts, "replaced": made.replaced}))
        return
    print(f"{path}: {size(len(content))}, {len(made.parts)} parts; --preview prints them.")


def _preview(made: Made, *, as_json: bool) -> None:
    texts = {name: content.decode("utf-8", "replace") for name, content in made.parts.items()}
    if as_json:
        print(json.dumps({"parts": texts, "replaced": made.replaced}))
        return
    for name, text in texts.items():
        print(f"===== {name} ({len(made.parts[name])} bytes)")
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def _note(box: Box, facts: dict[str, int]) -> None:
    """Tells the audit log; a database that is away must not keep help away as well."""
    try:
        box.local(["audit", "record", "support_file_made"], stdin=json.dumps(facts))
    except InstallError as error:
        complain(f"The audit log does not tell of it: {error.sentence}")
