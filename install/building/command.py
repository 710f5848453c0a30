"""`casemate bundle build`: its options, and who carries them out.

Read by the installer in a bundle as well, which may run on an old Python and has no clone: what
building takes is imported once something is built.
"""

from __future__ import annotations

import argparse
import errno
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from install.building.errors import (
    BuildRefusedError,
    KeyNotValidError,
    NoRoomError,
    NoSourcesError,
    OutExistsError,
    OutUnusableError,
)
from install.bundle.errors import TrustError

CLONE = Path(__file__).resolve().parent.parent.parent
DEVICES = ("cpu", "cuda", "both")


def add(commands: Any) -> None:
    """Adds `build` to the commands of `bundle`."""
    parser = commands.add_parser(
        "build",
        help="make a bundle from a clone, where there is a network",
        description="Fetches what a release needs and writes it to one signed file.",
        epilog="Run it again after an interruption: it goes on where it stopped.",
        allow_abbrev=False,
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the bundle")
    parser.add_argument(
        "--key", required=True, type=Path, metavar="DIR", help="the key that signs it"
    )
    parser.add_argument(
        "--device", choices=DEVICES, default="cpu", help="what models will run on (default cpu)"
    )
    models = parser.add_mutually_exclusive_group()
    models.add_argument(
        "--model",
        action="append",
        type=Path,
        metavar="DIR",
        help="carry this model, once or more (default: the demonstration model)",
    )
    models.add_argument("--no-model", action="store_true", help="carry no model")
    parser.add_argument(
        "--only-models", action="store_true", help="carry models alone, for `models import`"
    )
    parser.add_argument("--family", default="general", metavar="NAME", help="the models' family")
    parser.add_argument("--images", action="store_true", help="carry container images too")
    parser.add_argument("--base-image", metavar="NAME", help="what the images are built on")
    parser.add_argument("--torch-index", metavar="URL", help="where torch's CPU build is found")
    parser.add_argument(
        "--sources", type=Path, metavar="CLONE", help="the clone (default: the one this is run in)"
    )
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="keeps what was fetched (default HOME/building)"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    parser.add_argument("--json", action="store_true", help="one JSON object for scripts")
    parser.add_argument("--handover", type=int, help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Builds, or hands over to the clone's own program; returns the exit code.

    Raises:
        InstallError: nothing is at the place of the bundle that was not there before.
    """
    clone = (options.sources or CLONE).absolute()
    if not (clone / "pyproject.toml").is_file():
        raise NoSourcesError(clone)
    if options.images and options.device == "both":
        sentence = "Images are made for one device: say --device cpu or --device cuda."
        raise BuildRefusedError(sentence)
    if options.only_models and (options.images or options.no_model):
        sentence = "--only-models carries models and nothing else."
        raise BuildRefusedError(sentence)
    from install.building import starting

    if options.handover is None:
        _check(options)
        starting.start(options, clone)
    return _build(options, clone)


def _check(options: argparse.Namespace) -> None:
    """Refuses what would be refused only after everything was fetched."""
    from install import weights
    from install.bundle.signers import SigningKey

    out, folder = options.out, options.out.absolute().parent
    if out.is_dir():
        sentence = f"{out} is a folder; name a file for the bundle with --out."
        raise OutUnusableError(sentence)
    if not folder.is_dir():
        sentence = f"There is no folder {folder}; make it, or name another file with --out."
        raise OutUnusableError(sentence)
    if out.exists() and not options.force:
        raise OutExistsError(out)
    statement = SigningKey.load(options.key).signer.statement
    try:
        statement.check_time(datetime.now(UTC))
    except TrustError as cause:
        begins, ends = statement.not_before, statement.expires
        raise KeyNotValidError(options.key, begins=begins, ends=ends) from cause
    for model in options.model or ():
        weights.check_folder(model)


def _build(options: argparse.Namespace, clone: Path) -> int:
    from install.building import starting
    from install.building.carrying import build
    from install.progress import Display

    order = starting.order(options, clone)
    stream = sys.stderr if options.json else sys.stdout
    try:
        built = build(order, Display.on(stream, steps=starting.STEPS))
    except OSError as cause:
        if cause.errno == errno.ENOSPC:
            raise NoRoomError(Path(str(cause.filename or order.out))) from cause
        raise
    if options.json:
        print(json.dumps(built.as_dict()))
    else:
        built.tell()
    return 0
