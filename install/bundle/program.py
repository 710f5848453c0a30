"""`bundle …`: read from within the bundle itself, by the installed program, or in a clone."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from install.bundle import looking
from install.bundle.opened import opened
from install.errors import FAILED, INTERRUPTED, UNFIT, InstallError, InterruptError

# Each has `add(commands)`. What is not carried, or needs a newer Python than the one that runs, is
# not offered.
_COMMANDS = ("install.bundle.looking", "install.bundle.keys_command")
_NEWER = ("install.building.command", "install.slots.commands")
_OLDER = ("install.containers.toolbox",)
_NEEDED_PYTHON = (3, 11)


def main(words: Sequence[str], *, carried: Path | None) -> int:
    """Runs one command; `carried` is the bundle that this program came in, None when installed."""
    if carried is not None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
    try:
        return _run(list(words), carried)
    except InstallError as error:
        return _refuse(words, error.code, error.sentence, exit_code=error.exit_code)
    except InterruptError as stop:
        return _refuse(words, "interrupted", str(stop) or "interrupted.", exit_code=INTERRUPTED)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        sentence = f"{error.strerror or error}{place}."
        return _refuse(words, "system_refused", sentence, exit_code=FAILED)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise InterruptError


def _run(words: list[str], carried: Path | None) -> int:
    parser = _parser(carried)
    if not words:
        parser.print_help()
        return UNFIT if carried is None else _introduce(carried)
    options, more = parser.parse_known_args(words)
    if more and not getattr(options, "takes_more", False):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    options.more = more
    options.carried = carried
    if getattr(options, "needs_bundle", False) and options.bundle is None:
        if carried is None:
            parser.error("which BUNDLE?")
        options.bundle = carried
    return int(options.run(options))


def _parser(carried: Path | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="casemate bundle" if carried is None else f"python3 {carried}",
        description="One signed file with everything that an appliance needs.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    is_new = sys.version_info[:2] >= _NEEDED_PYTHON
    for name in _COMMANDS + (_NEWER if is_new else _OLDER):
        if _is_there(name):
            importlib.import_module(name).add(commands)
    return parser


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _introduce(carried: Path) -> int:
    with opened(carried) as bundle:
        told = looking.described(bundle)
    print(f"\nThis file brings Casemate {told['release']}.")
    for line in looking.signer_lines(told):
        print(line)
    return 0


def _refuse(words: Sequence[str], code: str, sentence: str, *, exit_code: int) -> int:
    sys.stdout.flush()
    for line in sentence.splitlines():
        sys.stderr.write(f"casemate: {line}{os.linesep}")
    if "--json" in words:
        print(json.dumps({"error": {"code": code, "message": sentence}}))
    return exit_code
