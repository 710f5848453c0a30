"""`casemate licence`: makes licences away from the appliance, and gives them to it."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from install import bootstrap, config, contents
from install.api import Instance, instance
from install.errors import FAILED, NotInstalledError, SettingError

if TYPE_CHECKING:
    from install.admin.licence_files import AddOn

app = typer.Typer(no_args_is_help=True)
authority = typer.Typer(no_args_is_help=True)
app.add_typer(authority, name="authority", help="The key that signs licences: new, show, change.")

AsJson = Annotated[bool, typer.Option("--json", help="JSON for scripts.")]
KeyFile = Annotated[Path, typer.Option("--key", help="The authority's private key.")]
OutFile = Annotated[Path, typer.Option("--out", help="The file to write; - is standard output.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="In UTC.")]
STANDARD = Path("-")


@authority.command()
def new(*, key: KeyFile, as_json: AsJson = False) -> None:
    """Make a key that signs licences; the file is never replaced."""
    from install.admin import licence_files

    made = licence_files.new_key(key)
    _say_key(made.public_key, made.fingerprint, as_json=as_json)


@authority.command()
def show(*, key: KeyFile, as_json: AsJson = False) -> None:
    """The public half of a key, which an appliance is given to trust."""
    from install.admin import licence_files

    found = licence_files.public_half(key)
    _say_key(found.public_key, found.fingerprint, as_json=as_json)


def _say_key(public_key: str, fingerprint: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"public_key": public_key, "fingerprint": fingerprint}))
    else:
        print(f"public key   {public_key}\nfingerprint  {fingerprint}")


@app.command()
def issue(  # noqa: PLR0913  # each is an option of the command line
    *,
    key: KeyFile,
    instance_id: Annotated[str, typer.Option(help="Whom it is for; `licence list` says the id.")],
    licensee: Annotated[str, typer.Option(help="The name of who bought it.")],
    add_on: Annotated[
        list[str], typer.Option(help="NAME=QUANTITY, or NAME=QUANTITY:ADD-ON that it goes with.")
    ],
    out: OutFile,
    starts: Day = None,
    ends: Day = None,
    days: Annotated[int, typer.Option(min=1, help="How long, unless --ends is given.")] = 365,
    grace_days: Annotated[int, typer.Option(min=0, max=365, help="Days after the end.")] = 14,
    namespace: Annotated[str | None, typer.Option(help="For this top-level group only.")] = None,
) -> None:
    """Make a licence; --ends is the first day without it."""
    from install.admin import licence_files

    starts_on = starts.date() if starts is not None else datetime.now(UTC).date()
    ends_on = ends.date() if ends is not None else starts_on + timedelta(days=days)
    lines = [
        parse_add_on(
            text, starts_on=starts_on, ends_on=ends_on, grace_days=grace_days, namespace=namespace
        )
        for text in add_on
    ]
    text = licence_files.issue(key, instance_id=instance_id, licensee=licensee, add_ons=lines)
    _write(out, text)


def parse_add_on(
    text: str, *, starts_on: date, ends_on: date, grace_days: int, namespace: str | None
) -> "AddOn":
    """A line of a licence, from NAME=QUANTITY or NAME=QUANTITY:COMPANION.

    Raises:
        SettingError: it is neither.
    """
    from install.admin.licence_files import AddOn

    name, _, rest = text.partition("=")
    quantity, _, accompanies = rest.partition(":")
    if not name or not quantity.isascii() or not quantity.isdecimal():
        sentence = f"{text!r} is not of the form NAME=QUANTITY or NAME=QUANTITY:ADD-ON."
        raise SettingError(sentence)
    return AddOn(
        name=name,
        quantity=int(quantity),
        starts_on=starts_on,
        ends_on=ends_on,
        grace_days=grace_days,
        accompanies=accompanies or None,
        namespace=namespace,
    )


def _write(out: Path, text: str) -> None:
    if out == STANDARD:
        sys.stdout.write(text)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as cause:
        sentence = f"{out} cannot be written: {cause.strerror}."
        raise SettingError(sentence) from cause
    print(f"{out} is written.", file=sys.stderr)


def read(path: Path) -> str:
    """A licence's text, from a file or from standard input.

    Raises:
        SettingError: it cannot be read.
    """
    try:
        return sys.stdin.read() if path == STANDARD else path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        sentence = f"{path} cannot be read."
        raise SettingError(sentence) from cause


@app.command()
def inspect(
    file: Path,
    *,
    public_key: Annotated[str | None, typer.Option(help="Check the signature with it.")] = None,
    as_json: AsJson = False,
) -> None:
    """What a licence file says; exit code 1 when its signature is bad."""
    from install.admin import licence_files

    found = licence_files.inspect(read(file), public_key=public_key)
    today = datetime.now(UTC).date()
    lines = [
        {**each, "state": licence_files.state_of(each, on=today)}
        for each in found.document["add_ons"]
    ]
    if as_json:
        print(json.dumps({**found.as_dict(), "add_ons": lines}))
    else:
        for name in ("serial", "licensee", "instance_id", "issued_at"):
            print(f"{name:<12} {found.document.get(name)}")
        print(f"{'signature':<12} {found.verdict}, by {found.authority}")
        _print_lines(lines)
    if found.is_good is False:
        raise typer.Exit(FAILED)


@app.command(name="hand-over")
def hand_over(
    *,
    key: KeyFile,
    new_key_public: Annotated[str, typer.Option(help="The next authority's public key.")],
    out: OutFile,
) -> None:
    """Make the file with which one authority hands over to the next."""
    from install.admin import licence_files

    _write(out, licence_files.hand_over(key, to=new_key_public))


@authority.command()
def change(file: Path, *, as_json: AsJson = False) -> None:
    """Let this appliance trust the authority that a hand-over file names."""
    with here() as asked:
        done = asked.ask("POST", "/api/v4/license/authority", {"change": read(file)})
    print(json.dumps(done) if as_json else f"{done['fingerprint']} is trusted now.")


@app.command()
def add(file: Path, *, as_json: AsJson = False) -> None:
    """Give this appliance a licence."""
    with here() as asked:
        added = asked.ask("POST", "/api/v4/license", {"license": read(file)})
    if as_json:
        print(json.dumps(added))
    else:
        _show(added)


@app.command(name="list")
def list_licences(*, as_json: AsJson = False) -> None:
    """This appliance's id, whose licences it takes, and those it has, newest first."""
    with here() as asked:
        trusted = asked.ask("GET", "/api/v4/license/authority")
        found = asked.ask("GET", "/api/v4/licenses")
    if as_json:
        print(json.dumps({**trusted, "licences": found}))
        return
    print(f"instance id  {trusted['instance_id']}")
    print(f"authority    {trusted['fingerprint'] or 'none yet'}{_mark(trusted)}")
    for licence in found:
        print()
        _show(licence)


@app.command()
def remove(
    number: Annotated[int, typer.Argument(metavar="ID")], *, as_json: AsJson = False
) -> None:
    """Take a licence away; its file may be added again."""
    with here() as asked:
        asked.ask("DELETE", f"/api/v4/license/{number}")
    print(json.dumps({"id": number}) if as_json else f"The licence {number} is removed.")


@contextmanager
def here() -> Iterator[Instance]:
    """This appliance's instance, with the admin's token.

    Raises:
        NotInstalledError: nothing is set up here.
    """
    places = bootstrap.find_places()
    settings = config.load(places.config)
    if settings is None:
        raise NotInstalledError(places.home)
    with instance(settings.instance_url, contents.token_file(places)) as asked:
        yield asked


def _mark(shown: Mapping[str, Any]) -> str:
    return "  DEMO, not for production" if shown["is_demo"] else ""


def _show(licence: Mapping[str, Any]) -> None:
    print(f"licence      {licence['id']}{_mark(licence)}")
    print(f"licensee     {licence['licensee']['Name']}")
    _print_lines(licence["add_ons"])
    for warning in licence["warnings"]:
        print(f"  ! {warning}")


def _print_lines(lines: Sequence[Mapping[str, Any]]) -> None:
    for line in lines:
        # A file says `_on`, the instance says `_at` under the real product's names.
        starts, ends = (line.get(f"{name}_on") or line[f"{name}_at"] for name in ("starts", "ends"))
        goes_with = f", goes with {line['accompanies']}" if line.get("accompanies") else ""
        print(
            f"  {line['name']:<16} {line['quantity']:>6}  from {starts} to {ends}  "
            f"{line['state']}{goes_with}"
        )
