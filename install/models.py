"""`casemate models`: the admin's work on self-hosted models, through the instance's interface."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from install import bootstrap, config, contents, offered
from install.api import AccessToken, Instance, instance, is_ready
from install.config import Config
from install.errors import FAILED, InstallError, NotInstalledError, SettingError
from install.places import Places
from install.question import Question, ask
from install.trust import trusted_for

app = typer.Typer(no_args_is_help=True)
HEADINGS = (
    "ref",
    "name",
    "family",
    "provider",
    "endpoints",
    "at once",
    "key",
    "state",
    "clients",
)
AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
Ref = Annotated[str, typer.Argument(help="The model's ref.")]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        help="A network of clients that may use it, as 10.0.0.0/8; again for "
        "more. Without any, every address may.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--max-in-flight", min=0, help="Requests of a gateway at once; 0 takes the limit away."
    ),
]

app.command(name="sync")(offered.sync)
app.command(name="offered")(offered.list_offered)


def _here() -> tuple[Places, Config]:
    places = bootstrap.find_places()
    settings = config.load(places.config)
    if settings is None:
        raise NotInstalledError(places.home)
    return places, settings


@app.command()
def add(  # noqa: PLR0913  # each is an option of the command line
    ref: Ref,
    *,
    endpoint: Annotated[
        list[str],
        typer.Option(help="OpenAI base URL, such as http://HOST:8000/v1; again for more."),
    ],
    identifier: Annotated[str | None, typer.Option(help="Its name there; default the ref.")] = None,
    name: Annotated[str | None, typer.Option(help="For people; default the ref.")] = None,
    family: Annotated[str, typer.Option(help="The model's family.")] = "general",
    provider: Annotated[
        str | None, typer.Option(help="What its users must be entitled to; default shm.")
    ] = None,
    api_key_file: Annotated[
        str | None, typer.Option(help="A file with the endpoint's API key; - is standard input.")
    ] = None,
    allow: Allow = None,
    max_in_flight: Limit = None,
    disable: Annotated[bool, typer.Option("--disable", help="Serve it to nobody yet.")] = False,
    as_json: AsJson = False,
) -> None:
    """Register a model that an endpoint in the network serves."""
    places, settings = _here()
    fields: dict[str, Any] = {
        "ref": ref,
        "name": name or ref,
        "family": family,
        "identifier": identifier or ref,
    }
    fields |= _access(allow, is_enabled=False if disable else None)
    fields |= _served(endpoint, max_in_flight)
    if provider is not None:
        fields["provider"] = provider
    if api_key_file is not None:
        fields["api_key"] = read_secret(api_key_file)
    with instance(settings.instance_url, contents.token_file(places)) as asked:
        made = asked.add_model(fields)
    if as_json:
        print(json.dumps(made))
    else:
        print(f"{ref} is registered; `casemate models check {ref}` asks it for a token.")


def _access(allow: list[str] | None, *, is_enabled: bool | None) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if allow:
        fields["allowed_cidrs"] = allow
    if is_enabled is not None:
        fields["enabled"] = is_enabled
    return fields


def _served(endpoints: list[str] | None, max_in_flight: int | None) -> dict[str, Any]:
    fields: dict[str, Any] = {"endpoints": endpoints} if endpoints else {}
    if max_in_flight is not None:
        fields["max_in_flight"] = max_in_flight or None
    return fields


@app.command()
def change(  # noqa: PLR0913  # each is an option of the command line
    ref: Ref,
    *,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(help="OpenAI base URL, in place of all that are known; again for more."),
    ] = None,
    max_in_flight: Limit = None,
    allow: Allow = None,
    allow_all: Annotated[
        bool, typer.Option("--allow-all", help="Every address may use it again.")
    ] = False,
    enable: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Serve it, or serve it to nobody.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say where a model is served, how much it takes, and who may use it."""
    fields = _access(allow, is_enabled=enable) | _served(endpoint, max_in_flight)
    if allow_all:
        fields["allowed_cidrs"] = []
    if not fields or (allow and allow_all):
        sentence = (
            "Name what to change: --endpoint, --max-in-flight, --allow or --allow-all, --enable "
            "or --disable."
        )
        raise SettingError(sentence)
    places, settings = _here()
    with instance(settings.instance_url, contents.token_file(places)) as asked:
        made = asked.change_model(int(find(asked, ref)["id"]), fields)
    if as_json:
        print(json.dumps(made))
    else:
        print(f"{ref} is {_state(made)}, open to {_clients(made)}.")


def _state(model: dict[str, Any]) -> str:
    return "enabled" if model.get("enabled", True) else "disabled"


def _clients(model: dict[str, Any]) -> str:
    return ", ".join(model.get("allowed_cidrs") or ["every address"])


def read_secret(source: str) -> str:
    """A secret from a file or from standard input, never from the command line.

    Raises:
        SettingError: the file cannot be read.
    """
    if source == "-":
        return sys.stdin.readline().strip()
    try:
        return Path(source).read_text("utf-8").strip()
    except OSError as cause:
        sentence = f"{source} cannot be read: {cause.strerror}."
        raise SettingError(sentence) from cause


@app.command(name="list")
def list_models(*, as_json: AsJson = False) -> None:
    """The registered models."""
    places, settings = _here()
    with instance(settings.instance_url, contents.token_file(places)) as asked:
        found = asked.models()
    if as_json:
        print(json.dumps(found))
        return
    from rich.table import Table

    from install.summary import console_on

    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading == "ref")
    for model in found:
        key = "yes" if model.get("has_api_key") else "no"
        words = (model[each] for each in ("ref", "name", "family", "provider"))
        endpoints = ", ".join(model.get("endpoints") or [model["endpoint"]])
        limit = str(model.get("max_in_flight") or "-")
        table.add_row(*words, endpoints, limit, key, _state(model), _clients(model))
    console_on(sys.stdout).print(table)


@app.command()
def remove(
    ref: Ref,
    *,
    reroute: Annotated[
        bool, typer.Option("--reroute", help="What uses it falls back to the default.")
    ] = False,
) -> None:
    """Take a model off the list, if nothing uses it."""
    places, settings = _here()
    with instance(settings.instance_url, contents.token_file(places)) as asked:
        asked.remove_model(int(find(asked, ref)["id"]), reroute=reroute)
    print(f"{ref} is removed.")


def find(asked: Instance, ref: str) -> dict[str, Any]:
    """The registered model of this ref.

    Raises:
        SettingError: there is none.
    """
    models = asked.models()
    for model in models:
        if model["ref"] == ref:
            return model
    known = ", ".join(model["ref"] for model in models) or "none"
    sentence = f"There is no model {ref!r}; registered: {known}."
    raise SettingError(sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One part of the way a question takes; `problem` and `fix` are sentences, or None."""

    name: str
    problem: str | None = None
    fix: str | None = None


@app.command()
def check(ref: Ref, *, as_json: AsJson = False) -> None:
    """One real token along the true path; names the hop that fails and what to do."""
    places, settings = _here()
    hops = walk(ref, settings, contents.token_file(places))
    if as_json:
        found = [{"hop": h.name, "problem": h.problem, "fix": h.fix} for h in hops]
        print(json.dumps({"ref": ref, "ok": hops[-1].problem is None, "hops": found}))
    else:
        for hop in hops:
            print(f"{hop.name:<9} {'ok' if hop.problem is None else hop.problem}")
            if hop.fix:
                print(f"{'':<9} {hop.fix}")
    if hops[-1].problem is not None:
        raise typer.Exit(FAILED)


def walk(ref: str, settings: Config, token_file: Path) -> list[Hop]:
    """Each hop up to the first that fails, in the order instance, token, gateway, model."""
    tokens: list[AccessToken] = []
    home = token_file.parent.parent
    steps: dict[str, tuple[Callable[[], None], str]] = {
        "instance": (
            lambda: _answers(f"{settings.instance_url}/-/readiness", home, "The instance"),
            "See `casemate status` and `casemate logs instance`.",
        ),
        "token": (
            lambda: tokens.append(_mint(ref, settings, token_file)),
            "See `casemate models list`; a new token comes from `casemate users token`.",
        ),
        "gateway": (
            lambda: _answers(f"{settings.gateway_url}/monitoring/healthz", home, "The gateway"),
            "See `casemate status` and `casemate logs gateway`.",
        ),
        "model": (
            lambda: _one_token(settings, home, ref=ref, token=tokens[0]),
            "See its endpoint in `casemate models list`, and `casemate logs model-server`.",
        ),
    }
    hops: list[Hop] = []
    for name, (step, fix) in steps.items():
        try:
            step()
        except InstallError as error:
            return [*hops, Hop(name=name, problem=error.sentence, fix=fix)]
        hops.append(Hop(name=name))
    return hops


def _answers(url: str, home: Path, who: str) -> None:
    if not is_ready(url, home):
        sentence = f"{who} does not answer at {url}."
        raise InstallError(sentence)


def _mint(ref: str, settings: Config, token_file: Path) -> AccessToken:
    with instance(settings.instance_url, token_file) as asked:
        find(asked, ref)
        return asked.mint()


def _one_token(settings: Config, home: Path, *, ref: str, token: AccessToken) -> None:
    question = Question(text="Say yes.", model=ref, max_tokens=1)
    trusted = trusted_for(settings.gateway_url, home)
    answer = ask(settings.gateway_url, token, question, trusted=trusted)
    if not answer.completion_tokens:
        sentence = f"The model {ref} answered without a single token."
        raise InstallError(sentence)
