"""`casemate models`: the admin's work on self-hosted models, through the instance's interface."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from install import bootstrap, config, contents
from install.admin import model_check, offered
from install.admin.model_check import Hop, find
from install.api import Instance, instance
from install.config import Config
from install.errors import FAILED, InstallError, NotInstalledError, SettingError
from install.importing import commands as importing
from install.places import Places

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
app.command(name="import")(importing.import_model)
app.command(name="imported")(importing.list_imported)
app.command(name="forget")(importing.forget)


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
        hops = _try(asked, ref)
    if as_json:
        print(json.dumps({**made, "check": model_check.as_dict(ref, hops)}))
        return
    print(f"{ref} is registered.")
    model_check.show(hops)
    if not hops[-1].is_well:
        sentence = f"{ref} does not answer yet; `casemate models check {ref}` tries it again."
        print(sentence, file=sys.stderr)


def _try(asked: Instance, ref: str) -> list[Hop]:
    """What is registered is registered, so that nothing which is wrong here is a failure."""
    try:
        return model_check.probe(asked, ref)
    except InstallError as error:
        return [Hop(name="endpoint", problem=error.sentence, code=error.code)]


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
    api_key_file: Annotated[
        str | None,
        typer.Option(
            help="A file with the endpoint's API key, needed again for another server; - is "
            "standard input."
        ),
    ] = None,
    no_api_key: Annotated[
        bool, typer.Option("--no-api-key", help="Forget the endpoint's API key.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say where a model is served, with which key, how much it takes, and who may use it."""
    fields = _access(allow, is_enabled=enable) | _served(endpoint, max_in_flight)
    if allow_all:
        fields["allowed_cidrs"] = []
    if no_api_key:
        fields["api_key"] = None
    elif api_key_file is not None:
        fields["api_key"] = read_secret(api_key_file)
    if not fields or (allow and allow_all) or (no_api_key and api_key_file):
        sentence = (
            "Name what to change: --endpoint, --max-in-flight, --allow or --allow-all, --enable "
            "or --disable, --api-key-file or --no-api-key."
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


@app.command()
def check(
    ref: Annotated[str | None, typer.Argument(help="The model's ref; without one, all.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Try a model's endpoint, then one real token all the way; names what fails and the fix."""
    places, settings = _here()
    refs = [ref] if ref is not None else _refs(places, settings)
    checked = {each: model_check.walk(each, settings, places) for each in refs}
    is_well = all(hops[-1].is_well for hops in checked.values())
    if as_json:
        told = [model_check.as_dict(each, hops) for each, hops in checked.items()]
        print(json.dumps(told[0] if ref is not None else {"ok": is_well, "models": told}))
    else:
        for each, hops in checked.items():
            if ref is None:
                print(f"{each}:")
            model_check.show(hops)
    if not is_well:
        raise typer.Exit(FAILED)


def _refs(places: Places, settings: Config) -> list[str]:
    with instance(settings.instance_url, contents.token_file(places)) as asked:
        return [str(model["ref"]) for model in asked.models()]
