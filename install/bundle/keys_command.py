"""`bundle key new | change | show`: keys that sign bundles, for whoever makes them."""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from install.bundle import signers
from install.bundle.looking import Commands
from install.bundle.signers import SigningKey

DEFAULT_NAME = "Casemate"
DEFAULT_YEARS = 5
MAX_YEARS = 30
_YEAR = timedelta(days=365)


def add(commands: Commands) -> None:
    """Adds them to the words of `bundle`."""
    key = commands.add_parser("key", help="keys that sign bundles: new, change, show")
    words = key.add_subparsers(metavar="WORD", required=True)

    new = words.add_parser("new", help="make a key in a new folder")
    new.add_argument("folder", metavar="DIR", type=Path)
    _add_facts(new, name=DEFAULT_NAME)
    new.set_defaults(run=run_new)

    change = words.add_parser("change", help="make the key that comes after another")
    change.add_argument("old", metavar="OLD_DIR", type=Path)
    change.add_argument("folder", metavar="NEW_DIR", type=Path)
    _add_facts(change, name=None)
    change.set_defaults(run=run_change)

    show = words.add_parser("show", help="the fingerprint, for those who get your bundles")
    show.add_argument("folder", metavar="DIR", type=Path)
    show.add_argument("--json", action="store_true", help="one JSON object for scripts")
    show.set_defaults(run=run_show)


def _add_facts(parser: argparse.ArgumentParser, *, name: str | None) -> None:
    parser.add_argument("--name", default=name, help="who signs, as admins will read it")
    parser.add_argument(
        "--years",
        type=int,
        choices=range(1, MAX_YEARS + 1),
        default=DEFAULT_YEARS,
        metavar="N",
        help=f"how long it may sign; default {DEFAULT_YEARS}",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object for scripts")


def run_new(options: argparse.Namespace) -> int:
    """Makes a key that no other came before."""
    now = _now()
    made = signers.make(
        options.folder, name=options.name, not_before=now, expires=now + options.years * _YEAR
    )
    return _show(made, as_json=options.json)


def run_change(options: argparse.Namespace) -> int:
    """Makes the key that comes after another, which must still be in its time."""
    now = _now()
    old = SigningKey.load(options.old)
    made = signers.make(
        options.folder,
        name=options.name or old.signer.statement.name,
        not_before=now,
        expires=now + options.years * _YEAR,
        after=old,
    )
    return _show(made, as_json=options.json)


def run_show(options: argparse.Namespace) -> int:
    """Shows whom those must trust who get bundles of this key."""
    return _show(SigningKey.load(options.folder), as_json=options.json)


def _show(key: SigningKey, *, as_json: bool) -> int:
    statement = key.signer.statement
    earlier = [each.fingerprint for each in key.signer.statements[:-1]]
    if as_json:
        told = {
            "name": statement.name,
            "fingerprint": key.fingerprint,
            "not_before": statement.not_before,
            "expires": statement.expires,
            "earlier": earlier,
        }
        print(json.dumps(told))
        return 0
    print(f"{statement.name}, {statement.not_before} to {statement.expires}")
    print(f"  {key.fingerprint}")
    for each in earlier:
        print(f"  after {each}")
    return 0


def _now() -> datetime:
    return datetime.now(timezone.utc)
