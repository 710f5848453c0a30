"""`casemate tls`: the certificates as they are, and renewing them."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from install import bootstrap, config
from install.config import Config
from install.errors import NotInstalledError, SettingError
from install.places import Places
from install.tls import keeping
from install.tls.keeping import Shown

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")]


@app.command()
def show(*, as_json: AsJson = False) -> None:
    """Each certificate: its names, its end, and where the authorities lie."""
    places, settings = _here()
    found = keeping.shown(places, settings)
    if as_json:
        print(json.dumps(_as_json(places, found)))
        return
    for certificate in found:
        print(said_of(certificate))
    print(f"{'trust':<10} {places.authorities}")


@app.command()
def renew(*, as_json: AsJson = False) -> None:
    """New certificates for the services, or the organisation's as they lie there now."""
    places, settings = _here()
    renewed = keeping.put(places, settings, now=datetime.now(UTC), anew=True)
    if as_json:
        found = keeping.shown(places, settings)
        print(json.dumps({"renewed": list(renewed), **_as_json(places, found)}))
        return
    print(f"renewed    {', '.join(renewed) or 'nothing, all is as it was'}")


def _as_json(places: Places, found: tuple[Shown, ...]) -> dict[str, object]:
    certificates = [certificate.as_dict() for certificate in found]
    return {"ca_file": str(places.authorities), "certificates": certificates}


def said_of(certificate: Shown) -> str:
    """One line for people, two where there is something to do."""
    ends = datetime.fromtimestamp(certificate.ends_at, UTC)
    names = ", ".join(certificate.names) or "signs the others"
    line = f"{certificate.name:<10} until {ends:%Y-%m-%d}, {certificate.days_left} days  {names}"
    return f"{line}\n{'':<10} {certificate.warning}" if certificate.warning else line


def _here() -> tuple[Places, Config]:
    places = bootstrap.find_places()
    settings = config.load(places.config)
    if settings is None:
        raise NotInstalledError(places.home)
    if not settings.tls:
        sentence = "This appliance does not speak TLS; `casemate up --tls` has it do so."
        raise SettingError(sentence)
    return places, settings
