"""The options of `up`, read by the bootstrap and by the installed program alike."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from install.config import BASE_IMAGE, CONTAINER_FIELDS, DEVICES, FIELDS, MODEL_BASE_IMAGE

FLAGS: dict[str, tuple[str, str]] = {
    "model": ("DIR", "serve the model in this folder; `starter` goes back to the demonstration"),
    "family": ("NAME", "the model's family, for its prompts (default general)"),
    "device": ("|".join(DEVICES), "what the model runs on (default: a GPU when there is one)"),
    "torch_index": ("URL", "where torch's CPU build is found when pip does not find it by itself"),
    "listen": ("ADDRESS", "where instance and gateway listen (default 127.0.0.1)"),
    "instance_port": ("PORT", "default 8080"),
    "gateway_port": ("PORT", "default 5052"),
    "model_port": ("PORT", "default 8000; always on loopback"),
    "instance_metrics_port": ("PORT", "default: the instance's port + 3; always on loopback"),
    "gateway_metrics_port": ("PORT", "default: the instance's port + 2; always on loopback"),
    "licence_authority": (
        "FILE",
        "take licences of the authority whose public key is in FILE, and make none for a trial",
    ),
    "base_image": ("NAME", f"what the images are built on (default {BASE_IMAGE})"),
    "model_base_image": (
        "NAME",
        f"the same for the model server (default --base-image, else {MODEL_BASE_IMAGE})",
    ),
    "model_server_image": ("NAME", "use this image for the model server instead of building one"),
    "cert": ("FILE", "speak TLS with the organisation's certificate, with those between behind it"),
    "key": ("FILE", "its key, without a password"),
    "gateway_cert": ("FILE", "a certificate of the gateway's own (default: that of --cert)"),
    "gateway_key": ("FILE", "its key"),
    "ca": ("FILE", "the authorities to trust, in one file, beside this appliance's own"),
    "gpus": ("all|0,1", "the GPUs for the model's container, all or by number"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What the bootstrap leaves to the installed program: its lock, and when it all began."""

    lock: int
    began: float

    def text(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """The flags of one `up`; `flags` has None for each that was not given."""

    json: bool
    foreground: bool
    compose: bool = False
    flags: dict[str, object]
    handover: Handover | None = None


def up_parser() -> argparse.ArgumentParser:
    """Reads the words after `up`."""
    parser = argparse.ArgumentParser(
        prog="casemate up",
        description="Sets up what is missing, starts the services and asks a first question.",
        epilog="Each of the settings is remembered; a variable CASEMATE_<NAME> does the same.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object as the last line of standard output"
    )
    parser.add_argument(
        "--foreground", action="store_true", help="stay, and stop the services when interrupted"
    )
    add_settings(parser)
    parser.add_argument("--handover", help=argparse.SUPPRESS)
    return parser


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Adds what a person may say of how the appliance is to run."""
    for name, (metavar, text) in FLAGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=text)
    parser.add_argument(
        "--bare",
        action=argparse.BooleanOptionalAction,
        help="make no licence for a demonstration, so that nobody may ask before one is added",
    )
    parser.add_argument(
        "--tls",
        action=argparse.BooleanOptionalAction,
        help="speak TLS, with certificates of this appliance's own authority",
    )
    parser.add_argument(
        "--tls-name",
        action="append",
        dest="tls_names",
        metavar="NAME",
        help="one more name or address for the certificates; with --cert, the one to tell others",
    )
    parser.add_argument(
        "--systemd",
        action=argparse.BooleanOptionalAction,
        help="run the services as systemd's units, as the user casemate and from boot on; for root",
    )
    parser.add_argument(
        "--compose", action="store_true", help="run the services as containers, with no way out"
    )


def words_of(found: argparse.Namespace) -> list[str]:
    """The words by which `up` is told the same settings."""
    words = []
    for name in FLAGS:
        value = getattr(found, name)
        words += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    for name in ("bare", "tls", "systemd"):
        value = getattr(found, name)
        words += [] if value is None else [f"--{name}" if value else f"--no-{name}"]
    for name in found.tls_names or ():
        words += ["--tls-name", name]
    return [*words, *(["--compose"] if found.compose else [])]


def parse_up(arguments: Sequence[str]) -> UpOptions:
    """Reads the options; a wrong one ends the program with 2 and says so."""
    parser = up_parser()
    return read_up(parser.parse_args(arguments), parser)


def read_up(found: argparse.Namespace, parser: argparse.ArgumentParser) -> UpOptions:
    """The options in what a parser found; a wrong one ends the program with 2 and says so."""
    if not found.compose and any(getattr(found, name) is not None for name in CONTAINER_FIELDS):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in CONTAINER_FIELDS)
        parser.error(f"{flags} go with --compose")
    if found.compose and found.foreground:
        parser.error("--foreground is for processes; containers are the engine's to keep running")
    if found.systemd and (found.compose or found.foreground):
        parser.error("--systemd goes neither with --compose nor with --foreground")
    handover = Handover(**json.loads(found.handover)) if found.handover else None
    return UpOptions(
        json=found.json,
        foreground=found.foreground,
        compose=found.compose,
        flags={**{name: getattr(found, name) for name in FIELDS}, "containers": found.compose},
        handover=handover,
    )
