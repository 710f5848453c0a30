"""`python -m install.lockdown keep | show | remove [BRIDGE]`."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from install.lockdown.keeping import Keeper
from install.lockdown.netlink import FilterError, PacketFilter
from install.lockdown.rules import BridgeNameError, difference, lock_of

DEFAULT_BRIDGE = "casemate-edge"
DEFAULT_SIGNS = "/run/lockdown"
EXIT_NOT_HELD = 1
EXIT_REFUSED = 2


def main(
    arguments: list[str] | None = None, *, opened: Callable[[], PacketFilter] = PacketFilter.open
) -> int:
    """Runs one command; 1 when the lock is not there, 2 with one sentence on standard error."""
    options = _parser().parse_args(arguments)
    try:
        with opened() as packets:
            return int(options.run(packets, options))
    except (BridgeNameError, FilterError) as refusal:
        print(refusal, file=sys.stderr)
        return EXIT_REFUSED


def _keep(packets: PacketFilter, options: argparse.Namespace) -> int:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    Keeper(lock_of(options.bridge), packets, signs=options.signs).run(until=ended)
    return 0


def _show(packets: PacketFilter, options: argparse.Namespace) -> int:
    lock = lock_of(options.bridge)
    found = packets.read(lock)
    problem = difference(lock, found.chains)
    dropped = {hook.value: count for hook, count in found.dropped.items()}
    print(json.dumps({"held": problem is None, "problem": problem, "dropped": dropped}))
    return 0 if problem is None else EXIT_NOT_HELD


def _remove(packets: PacketFilter, options: argparse.Namespace) -> int:
    Keeper(lock_of(options.bridge), packets, signs=options.signs).give_up()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m install.lockdown", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, does in (
        ("keep", _keep, "put the lock and keep it there; it stays when this ends"),
        ("show", _show, "print whether the lock is there and what it dropped, as JSON"),
        ("remove", _remove, "take the lock away"),
    ):
        command = commands.add_parser(name, help=does)
        command.set_defaults(run=run)
        command.add_argument(
            "bridge", nargs="?", default=os.environ.get("CASEMATE_EDGE_BRIDGE", DEFAULT_BRIDGE)
        )
        command.add_argument("--signs", type=Path, default=Path(DEFAULT_SIGNS))
    return parser


if __name__ == "__main__":
    sys.exit(main())
