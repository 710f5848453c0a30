"""`python -m model_server serve | plan | convert GGUF DIR`."""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from model_server import app, guard, logs
from model_server.conversion import convert
from model_server.egress import sitecustomize
from model_server.errors import ModelServerError
from model_server.settings import read_settings

EXIT_REFUSED = 2


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0, or 2 with one sentence on standard error."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except ModelServerError as refusal:
        print(f"{refusal} [{refusal.code}]", file=sys.stderr)
        return EXIT_REFUSED
    return 0


def _serve(_options: argparse.Namespace) -> None:
    # A supervisor that is killed tells nobody; the kernel does.
    guard.die_with_parent(os.getppid())
    guard.adopt_orphans()
    logs.configure()
    settings = read_settings()
    ledger = settings.egress_folder / "model-server.jsonl"
    sitecustomize.watch(ledger, service="model-server", host=settings.model_host)
    asyncio.run(app.serve(settings))


def _plan(_options: argparse.Namespace) -> None:
    plans = app.plan_all(read_settings())
    print(
        json.dumps(
            {
                ref: {
                    "arguments": planned.arguments,
                    "environment": planned.environment,
                    "needed_bytes": planned.needed_bytes,
                }
                for ref, planned in plans.items()
            }
        )
    )


def _convert(options: argparse.Namespace) -> None:
    made = convert(options.gguf, options.folder)
    print(
        json.dumps(
            {
                "folder": str(made.folder),
                "source_digest": made.source_digest,
                "weights_bytes": made.weights_bytes,
                "is_new": made.is_new,
            }
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_server", description=__doc__)
    commands = parser.add_subparsers(required=True)
    serving = commands.add_parser("serve", help="start the listed models and keep them running")
    serving.set_defaults(run=_serve)
    planning = commands.add_parser("plan", help="print how each model would be started, as JSON")
    planning.set_defaults(run=_plan)
    converting = commands.add_parser("convert", help="make a model folder from a GGUF file")
    converting.set_defaults(run=_convert)
    converting.add_argument("gguf", type=Path)
    converting.add_argument("folder", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
