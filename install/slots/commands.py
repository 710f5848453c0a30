"""`bundle apply | rollback | recover | receipts`, read by the bundle's own installer as well."""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from install import bootstrap, locking
from install.backup import exchange
from install.bundle import looking
from install.bundle.errors import NoBundleError
from install.bundle.opened import opened
from install.containers import toolbox
from install.errors import UNFIT, InstallError
from install.options import add_settings, read_up, words_of
from install.places import Places
from install.progress import Display
from install.slots import applying, going_back, receipts, recovery
from install.slots.applying import Applied, Applying


class PythonMissingError(InstallError):
    """The Python that the packages are made for is not on this machine."""

    code = "python_missing"
    exit_code = UNFIT

    def __init__(self) -> None:
        super().__init__(
            "The packages in a bundle are for CPython 3.11 on x86_64, and no python3.11 is in "
            "PATH. Install it (Debian: python3.11 and python3.11-venv), or apply a bundle that "
            "carries images with --compose."
        )


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds them to the words of `bundle`."""
    apply = commands.add_parser(
        "apply",
        help="install, or upgrade to, what the bundle carries",
        epilog="Settings are remembered, and the next bundle keeps them.",
        allow_abbrev=False,
    )
    looking.add_bundle(apply)
    looking.add_trust_options(apply)
    apply.add_argument("--json", action="store_true", help="one JSON object for scripts")
    apply.add_argument_group("settings")
    add_settings(apply)
    apply.set_defaults(run=run_apply, parser=apply, foreground=False, handover=None)

    rollback = commands.add_parser("rollback", help="go back to the release before this one")
    rollback.add_argument("--json", action="store_true", help="one JSON object for scripts")
    rollback.set_defaults(run=run_rollback)

    recover = commands.add_parser("recover", help="mend a change that was cut, by power or a kill")
    recover.add_argument("--no-start", action="store_true", help="start nothing")
    recover.set_defaults(run=run_recover)

    shown = commands.add_parser("receipts", help="what came in, from whom and when, as signed here")
    shown.add_argument("--json", action="store_true", help="one JSON list for scripts")
    shown.set_defaults(run=run_receipts)


def run_apply(options: argparse.Namespace) -> int:
    """Applies a bundle; the installed program leaves that to the bundle's own, once it is verified.

    Raises:
        InstallError: what ran before still runs.
    """
    if toolbox.is_wanted(os.environ):
        toolbox.run_apply(options)
    if options.carried is None:
        found = looking.verified(options)
        python = Path(sys.base_prefix) / "bin" / "python3.11"
        _go_on_with(options.bundle, python, verified=found.bundle)
    display = Display.on(sys.stderr if options.json else sys.stdout, steps=applying.STEPS)
    done = Applying(
        places=bootstrap.find_places(),
        path=options.bundle,
        words=words_of(options),
        options=read_up(options, options.parser),
        asks=looking.asks(options),
        display=display,
    ).run()
    if options.json:
        print(json.dumps(asdict(done)))
    else:
        _show(done)
    return 0


def _go_on_with(bundle: Path, python: Path, *, verified: str) -> None:
    """Lets the bundle's own installer take this process's place."""
    if not python.exists():
        raise PythonMissingError
    with opened(bundle) as file:
        if file.digest != verified:
            sentence = f"{bundle} is another bundle than the one that was verified."
            raise NoBundleError(sentence)
        program = _kept(file.installer())
    words = sys.argv[1:] if "apply" not in sys.argv else sys.argv[sys.argv.index("apply") + 1 :]
    rest = [each for each in words if Path(each) != bundle]
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    environment["CASEMATE_HOME"] = str(bootstrap.find_places().home)
    environment.pop("PYTHONSAFEPATH", None)
    sys.stdout.flush()
    command = [str(python), program, "apply", str(bundle.absolute()), *rest]
    os.execve(command[0], command, environment)  # noqa: S606  # no shell


def _kept(program: bytes) -> str:
    """A path of what was verified, for the next program of this process alone.

    By its own path a bundle could be exchanged before that one reads it. This file has no name, and
    is gone with the last process that holds it.
    """
    with tempfile.TemporaryFile() as file:
        file.write(program)
        file.flush()
        kept = os.dup(file.fileno())
    os.set_inheritable(kept, True)  # noqa: FBT003  # the library's signature
    return f"/proc/self/fd/{kept}"


def _show(done: Applied) -> None:
    places = bootstrap.find_places()
    before = f", in place of {done.before}" if done.before and not done.was_there else ""
    print(f"\nCasemate {done.release} runs{before}; {done.seconds:.0f} s.")
    for measured in done.acceptance.get("measured", ()):
        print(f"  acceptance: {measured['tokens_per_second']:g} tokens/s")
    print(f"  program    {places.pointer}/services/bin/casemate")
    print('  next       casemate status · casemate ask "…" · casemate doctor')


def run_rollback(options: argparse.Namespace) -> int:
    """Goes back.

    Raises:
        InstallError: the release in use still runs.
    """
    display = Display.on(sys.stderr if options.json else sys.stdout, steps=(going_back.STEP,))
    done = going_back.roll_back(bootstrap.find_places(), display)
    if options.json:
        print(json.dumps(asdict(done)))
    else:
        print(f"Casemate {done.release or 'of the clone'} runs again.")
    return 0


def run_recover(options: argparse.Namespace) -> int:
    """Mends what was cut.

    Raises:
        InstallError: it could not be.
    """
    places = bootstrap.find_places()
    lock = locking.take(places)
    with locking.held(places, lock):
        _decide_restore(places)
        told = recovery.recover(
            places,
            lock=lock,
            say=lambda line: print(line, file=sys.stderr),
            starts=not options.no_start,
        )
    print(told or "There is nothing to mend.")
    return 0


def _decide_restore(places: Places) -> None:
    if exchange.read(places) is not None:
        # It needs libraries, which a bundle read by any Python has not.
        from install.backup import restoring

        print(restoring.mend_before_up(places, has_lock=True) or "", file=sys.stderr)


def run_receipts(options: argparse.Namespace) -> int:
    """Shows all receipts, their signatures checked.

    Raises:
        ReceiptError: one was changed.
    """
    found = receipts.read_all(bootstrap.find_places())
    if options.json:
        print(json.dumps(list(found)))
        return 0
    for each in found:
        unsigned = " UNSIGNED" if each.get("is_unsigned") else ""
        print(
            f"{each['at']}  {each['kind']:<9}{each['release'] or 'clone':<9}{each['to']}{unsigned}"
        )
    return 0
