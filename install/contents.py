"""First contents: generated secrets, the gateway's registration, the admin, the model."""

import json
import os
import secrets
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from install.config import write_private
from install.demo_licence import ToOrder
from install.errors import SetUpCommandError
from install.places import Places
from install.services import GATEWAY, INSTANCE, MODEL_SERVER, Service, command_environment
from install.units.owner import As
from install.weights import Model

ADMIN = {"username": "admin", "name": "Administrator", "email": "admin@casemate.local"}
GATEWAY_NAME = "local"
GATEWAY_KEYS = ("signing_key", "sealing_key")
SHOWN = ("instance_id", "authority", "is_demo", "licences")
PINNED = ("instance_id", "feed_key", "issuer")

# A service's name, the words after `python -m`, what it reads from its standard input.
Run = Callable[[str, list[str], str], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the set-up commands said; `changed` names fields such as `model.endpoint`.

    `pin` is what the gateway was given to trust.
    """

    created: tuple[str, ...]
    changed: tuple[str, ...]
    warnings: tuple[str, ...]
    pin: str


def password_file(places: Places) -> Path:
    """The admin's first password."""
    return places.credentials / "admin_password"


def token_file(places: Places) -> Path:
    """The admin's personal access token."""
    return places.credentials / "admin_token"


def api_key_file(places: Places) -> Path:
    """The model server's API key."""
    return places.model_state / "api_key"


def write_model_files(places: Places, model: Model) -> None:
    """Tells the model server what to serve, and makes its API key once."""
    if not api_key_file(places).exists():
        write_private(api_key_file(places), secrets.token_urlsafe(32))
    spec = {
        "ref": model.ref,
        "path": str(model.path),
        "family": model.family,
        "context_tokens": model.context_tokens,
    }
    write_private(places.model_state / "models.json", json.dumps([spec], indent=2) + "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Files and addresses as the parts themselves see them."""

    password_file: str
    token_file: str
    api_key_file: str
    instance_url: str
    model_url: str


def site_of(places: Places, services: Mapping[str, Service]) -> Site:
    """The site of services that run as processes."""
    return Site(
        password_file=str(password_file(places)),
        token_file=str(token_file(places)),
        api_key_file=str(api_key_file(places)),
        instance_url=services[INSTANCE].address,
        model_url=services[MODEL_SERVER].address,
    )


def set_up(run: Run, site: Site, model: Model, *, to_order: ToOrder | None) -> Contents:
    """Runs the parts' own set-up commands, each of which changes only what is not yet so.

    Without `to_order` the licences are those that the database holds, and are not looked at.

    Raises:
        SetUpCommandError: one of them failed.
    """
    keys = _said(run, GATEWAY, ["gateway", "keys"], needed=GATEWAY_KEYS).answer
    answers = {
        "admin": {
            **ADMIN,
            "password_file": site.password_file,
            "token_file": site.token_file,
        },
        "gateway": {
            "name": GATEWAY_NAME,
            "signing_key": keys["signing_key"],
            "sealing_key": keys["sealing_key"],
        },
        "model": {
            "ref": model.ref,
            "name": model.name,
            "family": model.family,
            "identifier": model.ref,
            "endpoint": site.model_url,
            "api_key_file": site.api_key_file,
        },
    }
    words = ["appliance", "init", "--answers", "/dev/stdin"]
    done = _said(run, INSTANCE, words, stdin=json.dumps(answers), needed=PINNED)
    pin = {name: done.answer[name] for name in PINNED}
    pin["instance_url"] = site.instance_url
    _said(run, GATEWAY, ["gateway", "pin"], stdin=json.dumps(pin))
    licensed = _license(run, to_order) if to_order else _Said(answer={}, warnings=())
    return Contents(
        created=(*done.answer.get("created", ()), *licensed.answer.get("created", ())),
        changed=tuple(done.answer.get("changed", ())),
        warnings=(*done.warnings, *licensed.warnings),
        pin=json.dumps(pin, sort_keys=True),
    )


def _license(run: Run, to_order: ToOrder) -> "_Said":
    shown = _said(run, INSTANCE, ["appliance", "licence", "show"], needed=SHOWN).answer
    order = to_order(shown, holder=ADMIN["username"])
    if order is None or order.warning is not None:
        return _Said(answer={}, warnings=(order.warning,) if order and order.warning else ())
    words = ["appliance", "licence", "add", *order.words]
    return _said(run, INSTANCE, words, stdin=order.licence)


def runner(services: Mapping[str, Service], acting: As | None = None) -> Run:
    """Runs set-up commands as processes, each with its service's Python and environment.

    `acting` says as which user, when not as this one.
    """

    def run(name: str, words: list[str], stdin: str) -> subprocess.CompletedProcess[str]:
        service = services[name]
        with _told(stdin) as told:
            return subprocess.run(
                [service.command[0], "-P", "-m", *words],
                env=command_environment(service),
                stdin=told,
                capture_output=True,
                text=True,
                check=False,
                **(acting or {}),
            )

    return run


def _told(text: str) -> BinaryIO:
    """A file with no name that holds `text`.

    A pipe of this user could not be opened anew, as /dev/stdin, by another one.
    """
    file = os.fdopen(os.memfd_create("stdin"), "w+b")
    file.write(text.encode())
    file.seek(0)
    return file


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    answer: dict[str, Any]
    warnings: tuple[str, ...]


def _said(
    run: Run, service: str, words: list[str], *, stdin: str = "", needed: tuple[str, ...] = ()
) -> _Said:
    done = run(service, words, stdin)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0:
        said = " ".join(done.stderr.split() or done.stdout.split())[-600:]
        raise SetUpCommandError(" ".join(words[:2]), said)
    try:
        answer = json.loads(lines[-1]) if lines else {}
    except ValueError:
        raise SetUpCommandError(" ".join(words[:2]), "its answer is not JSON") from None
    lacking = [name for name in needed if name not in answer]
    if lacking:
        raise SetUpCommandError(" ".join(words[:2]), f"its answer lacks {', '.join(lacking)}")
    warnings = tuple(line for line in done.stderr.splitlines() if line.strip())
    return _Said(answer=answer if isinstance(answer, dict) else {}, warnings=warnings)
