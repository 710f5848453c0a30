"""`bundle verify | inspect | trust`, and the options of everything that takes a bundle."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from install.bundle import pins, verifying
from install.bundle.manifest import Manifest
from install.bundle.opened import Bundle, OnBytes, opened
from install.bundle.pins import Pin
from install.bundle.statements import Signer, Statement
from install.bundle.verifying import Asks, Verified
from install.errors import InstallError, SettingError
from install.homes import home_of
from install.progress import size

TRUST = "trust.json"
UNSIGNED = "CASEMATE_UNSIGNED"
UNSIGNED_YES = "yes-i-know"
_STANDINGS = {
    "pinned": "this box takes its bundles",
    "appointed": "a new key, appointed by the one that this box trusts",
    "first": "this box trusts nobody yet; compare it with what the maker told you",
    "unknown": "not the key that this box trusts",
}


class Commands(Protocol):
    """Where words of `bundle` are added: argparse's sub-parsers."""

    @property
    def add_parser(self) -> Callable[..., argparse.ArgumentParser]:
        """Adds a word."""


def add(commands: Commands) -> None:
    """Adds them to the words of `bundle`."""
    verify = commands.add_parser("verify", help="check everything by digest; nothing is changed")
    add_bundle(verify)
    add_trust_options(verify)
    verify.add_argument("--json", action="store_true", help="one JSON object for scripts")
    verify.set_defaults(run=run_verify)

    inspect = commands.add_parser("inspect", help="what the bundle carries and who signed it")
    add_bundle(inspect)
    inspect.add_argument("--json", action="store_true", help="one JSON object for scripts")
    inspect.set_defaults(run=run_inspect)

    trust = commands.add_parser("trust", help="whose bundles this box takes")
    trust.add_argument("--json", action="store_true", help="one JSON object for scripts")
    trust.set_defaults(run=run_trust)


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """Adds the argument BUNDLE; a bundle that runs itself needs none."""
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", type=Path, help="the file")
    parser.set_defaults(needs_bundle=True)


def add_trust_options(parser: argparse.ArgumentParser) -> None:
    """Adds what can be said of trust."""
    parser.add_argument(
        "--fingerprint", metavar="SHA256:…", help="the signer must have this key; compare it first"
    )
    parser.add_argument(
        "--allow-unsigned",
        action="store_true",
        help=f"take what nobody vouches for; only with {UNSIGNED}={UNSIGNED_YES}",
    )


def asks(options: argparse.Namespace) -> Asks:
    """What the options, the environment and whoever sits at the terminal say of trust.

    Raises:
        SettingError: unsigned bundles are allowed by one of option and environment only.
    """
    if options.allow_unsigned and os.environ.get(UNSIGNED) != UNSIGNED_YES:
        sentence = (
            f"--allow-unsigned counts only with {UNSIGNED}={UNSIGNED_YES} in the environment: "
            "nobody vouches for what such a bundle holds, and it runs with all rights here."
        )
        raise SettingError(sentence)
    return Asks(
        fingerprint=options.fingerprint, confirm=_ask, is_unsigned_allowed=options.allow_unsigned
    )


def verified(options: argparse.Namespace) -> Verified:
    """Verifies `options.bundle`, with progress on a terminal.

    Raises:
        BundleError: it is not one that this box takes, or damaged.
    """
    with opened(options.bundle) as bundle, _percent(bundle, "verifying") as on_bytes:
        return verifying.verify(
            options.bundle, trust=_trust(), now=_now(), asks=asks(options), on_bytes=on_bytes
        )


def run_verify(options: argparse.Namespace) -> int:
    """Verifies, and says whose the bundle is."""
    found = verified(options)
    if options.json:
        told = {
            "bundle": found.bundle,
            "release": found.manifest.release,
            "signer": {"fingerprint": found.signer, "name": found.name},
            "is_first": found.is_first,
            "key_changes": found.new_pin is not None and not found.is_first,
            "is_unsigned": found.is_unsigned,
            "unsigned_because": found.unsigned_because,
        }
        print(json.dumps(told))
        return 0
    print(f"Casemate {found.manifest.release}: every byte is as it was signed.")
    print(f"  bundle  {found.bundle}")
    if found.is_unsigned:
        print(f"  signer  NOT KNOWN ({found.unsigned_because}); the digests are right")
    else:
        print(f"  signer  {found.name}, {found.signer}")
    if found.new_pin is not None and not found.is_first:
        print(f"          {_STANDINGS['appointed']}")
    return 0


def run_inspect(options: argparse.Namespace) -> int:
    """Shows what the bundle says of itself; digests of chunks are not checked."""
    with opened(options.bundle) as bundle:
        told = described(bundle)
    if options.json:
        print(json.dumps(told))
        return 0
    print(f"Casemate {told['release']}, made {told['made_at']}")
    print(f"  for      {told['architecture']}, Python {told['python']}")
    print(f"  devices  {', '.join(told['devices']) or 'none'}")
    for each in told["models"]:
        print(f"  model    {each['ref']} ({each['name']}), {size(each['bytes'])}")
    for each in told["images"]:
        print(f"  image    {each['tag']}, {size(each['bytes'])}")
    print(f"  files    {told['files']}, {size(told['bytes'])}")
    for line in signer_lines(told):
        print(line)
    return 0


def described(bundle: Bundle) -> dict[str, Any]:
    """What the bundle says of itself, and whether its signature is its signer's."""
    manifest = bundle.manifest
    return {
        "bundle": bundle.digest,
        "release": manifest.release,
        "schema_generation": manifest.schema_generation,
        "made_at": manifest.made_at,
        "architecture": manifest.architecture,
        "python": manifest.python,
        "devices": list(manifest.devices),
        "models": [
            {
                "ref": each.ref,
                "name": each.name,
                "family": each.family,
                "context_tokens": each.context_tokens,
                "digest": each.digest,
                "bytes": _bytes(manifest, each.folder),
            }
            for each in manifest.models
        ],
        "images": [
            {**vars(each), "bytes": manifest.entry(each.path).size} for each in manifest.images
        ],
        "files": len(manifest.entries),
        "bytes": bundle.total_bytes,
        "signer": _signer(bundle),
    }


def signer_lines(told: dict[str, Any]) -> list[str]:
    """What people compare, or why they need not."""
    signer = told["signer"]
    if signer["error"]:
        return [f"  signer   NOT PROVEN: {signer['error']['message']}"]
    return [
        f"  signer   {signer['name']}, until {signer['expires']}",
        f"           {signer['fingerprint']}",
        f"           {_STANDINGS[signer['standing']]}",
    ]


def run_trust(options: argparse.Namespace) -> int:
    """Shows whose bundles this box takes."""
    pin = pins.pinned(_trust())
    if options.json:
        print(json.dumps({"pinned": None if pin is None else vars(pin)}))
    elif pin is None:
        print("This box trusts nobody yet; the first bundle that is applied decides.")
    else:
        print(f"{pin.name}, {pin.not_before} to {pin.expires}")
        print(f"  {pin.fingerprint}")
        print(f"  since {pin.pinned_at} ({pin.how})")
    return 0


def _signer(bundle: Bundle) -> dict[str, Any]:
    try:
        signer = verifying.check_signer(bundle, _now())
        pin = pins.pinned(_trust())
    except InstallError as error:
        return {"error": {"code": error.code, "message": error.sentence}}
    statement = signer.statement
    return {
        "error": None,
        "name": statement.name,
        "fingerprint": statement.fingerprint,
        "not_before": statement.not_before,
        "expires": statement.expires,
        "standing": _standing(signer, pin),
    }


def _standing(signer: Signer, pin: Pin | None) -> str:
    if pin is None:
        return "first"
    if pin.fingerprint == signer.statement.fingerprint:
        return "pinned"
    earlier = {each.fingerprint for each in signer.statements}
    return "appointed" if pin.fingerprint in earlier else "unknown"


def _bytes(manifest: Manifest, folder: str) -> int:
    return sum(each.size for each in manifest.below(folder))


def _trust() -> Path:
    return home_of(os.environ, uid=os.geteuid(), prefix=sys.prefix) / TRUST


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _ask(statement: Statement) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(
        f"\nThe bundle is signed by {statement.name}, and this box trusts nobody yet.\n\n"
        f"  {statement.fingerprint}\n\n"
        "Compare this with what the maker told you in another way than with the bundle.\n"
        'Is it the same? Type "yes": '
    )
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() == "yes"


@contextmanager
def _percent(bundle: Bundle, word: str) -> Iterator[OnBytes]:
    """Says on a terminal how far the reading is."""
    is_shown = sys.stderr.isatty()
    done = 0
    shown = -1

    def on_bytes(count: int) -> None:
        nonlocal done, shown
        done += count
        # What there is to read is asked only now, when the signature has been checked.
        if is_shown and done * 100 // bundle.total_bytes != shown:
            shown = done * 100 // bundle.total_bytes
            sys.stderr.write(f"\r{word} {shown} %")
            sys.stderr.flush()

    try:
        yield on_bytes
    finally:
        if shown >= 0:
            sys.stderr.write("\r\033[K")
