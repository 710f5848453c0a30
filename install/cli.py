"""`casemate`: the installed program. What a command needs is imported when it runs."""

import json
import signal
import sys
import time
from dataclasses import replace
from typing import Annotated, Any, NoReturn

import typer

from install import bootstrap, config, keepers, locking, stopping
from install.config import Config
from install.errors import (
    INTERRUPTED,
    InstallError,
    InterruptError,
    NotInstalledError,
    SettingError,
    StoppedError,
)
from install.places import Places
from install.progress import complain
from install.release import release

app = typer.Typer(
    name="casemate",
    help="An offline, self-hosted AI appliance.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
)
RAW = {"ignore_unknown_options": True, "allow_extra_args": True}
STARTED_KEEP_RUNNING = "interrupted; services that were started keep running (`casemate status`)."
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")]


def main() -> NoReturn:
    """Runs the program; an expected failure is a sentence and an exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        app(standalone_mode=True)
    except InstallError as error:
        complain(error.sentence)
        if "--json" in sys.argv:
            print(json.dumps({"error": {"code": error.code, "message": error.sentence}}))
        sys.exit(error.exit_code)
    except InterruptError as stop:
        complain(str(stop) or STARTED_KEEP_RUNNING)
        sys.exit(INTERRUPTED)
    sys.exit(0)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise InterruptError


def _here() -> tuple[Places, Config]:
    places = bootstrap.find_places()
    settings = config.load(places.config)
    if settings is None:
        raise NotInstalledError(places.home)
    return places, settings


def _print_json(found: Any) -> None:
    print(json.dumps(found))


@app.command(context_settings=RAW, add_help_option=False)
def up(context: typer.Context) -> None:
    """Set up what is missing, start the services, ask a first question (up --help)."""
    from install import summary
    from install import up as work
    from install.options import parse_up
    from install.progress import CONTAINER_STEPS, STEPS, Display

    options = parse_up(context.args)
    places = bootstrap.find_places()
    steps = CONTAINER_STEPS if options.compose else STEPS
    display = Display.on(sys.stderr if options.json else sys.stdout, steps=steps)
    if options.compose:
        from install.containers import up as containers

        outcome = containers.run(places, options, display)
    else:
        outcome = work.run(places, options, display)
    summary.show(outcome, sys.stderr if options.json else sys.stdout)
    if options.json:
        _print_json(outcome.as_dict())
        sys.stdout.flush()
    if options.foreground:
        _stay(places)


def _stay(places: Places) -> None:
    supervisor = stopping.find_supervisor(places)
    try:
        while supervisor and stopping.find_supervisor(places) == supervisor:
            _pause(1)
    except InterruptError:
        with locking.held(places):
            stopping.stop_everything(places)
        return
    sentence = "The supervisor ended; the services are stopped."
    raise StoppedError(sentence)


def _pause(seconds: float) -> None:
    time.sleep(seconds)


@app.command()
def down(
    *,
    as_json: AsJson = False,
    handover: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Stop all services, within ten seconds."""
    places, settings = _here()
    began = time.monotonic()
    with locking.held(places, handover):
        if settings.containers:
            from install.containers import operating

            kind, count = "containers", operating.stop(places, settings)
        else:
            # Whoever holds the lock starts what it has stopped, and so does a boot in between.
            kind, count = "processes", keepers.stop(places, stays_down=handover is None)
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        _print_json({"home": str(places.home), kind: count, "seconds": seconds})
    else:
        print(f"{count} {kind} ended in {seconds} s." if count else "Nothing was running.")


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """What runs; exit code 0 when all is ready, 1 when something is not, 3 when stopped."""
    from install import contents, demo_licence, summary
    from install import status as looking
    from install.egress import looking as ledgers

    places, settings = _here()
    if settings.containers:
        from install.containers import operating

        found = operating.look(places, settings)
    else:
        found = looking.look(places, settings)
    if found.state != "stopped":
        is_demo = demo_licence.is_shown(settings.instance_url, contents.token_file(places))
        found = replace(found, is_demo_licence=is_demo)
    found = replace(found, egress_refused=ledgers.look(places, settings).refused)
    if as_json:
        _print_json(found.as_dict())
    else:
        summary.show_status(found)
    raise typer.Exit(found.exit_code)


@app.command()
def logs(
    service: Annotated[str | None, typer.Argument(help="One of the services.")] = None,
    *,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new lines.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many lines.")] = 40,
) -> None:
    """The ends of the logs."""
    from install import logs as reading
    from install.services import NAMES

    places, settings = _here()
    if settings.containers:
        from install.containers import operating

        raise typer.Exit(operating.logs(places, settings, service, follow=follow, lines=lines))
    if service is not None and service not in reading.LOGS:
        sentence = f"There is no log {service!r}; there are {', '.join(reading.LOGS)}."
        raise SettingError(sentence)
    names = (service,) if service else NAMES
    for name in names:
        for line in reading.last_lines(places.logs / f"{name}.log", lines):
            print(line if service else f"{name:<12} {line}")
    if follow:
        for name, line in reading.follow(places, names):
            print(line if service else f"{name:<12} {line}", flush=True)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What to ask; - reads it from standard input.")],
    *,
    model: Annotated[str | None, typer.Option(help="The model's ref.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="The answer's length at most.")] = 256,
    as_json: AsJson = False,
) -> None:
    """Ask one question through instance, gateway and model."""
    from install import contents, weights
    from install import question as asking
    from install.api import instance
    from install.trust import trusted_for

    places, settings = _here()
    text = sys.stdin.read() if question == "-" else question
    with instance(settings.instance_url, contents.token_file(places)) as asked:
        token = asked.mint()
    ref = model or weights.chosen_ref(places, settings)
    answer = asking.ask(
        settings.gateway_url,
        token,
        asking.Question(text=text, model=ref, max_tokens=max_tokens),
        trusted=trusted_for(settings.gateway_url, places.home),
        on_text=(lambda _text: None) if as_json else _print_piece,
    )
    if as_json:
        _print_json(
            {
                "model": ref,
                "answer": answer.text,
                "completion_tokens": answer.completion_tokens,
                "first_token_s": round(answer.first_token_s, 3),
                "tokens_per_second": round(answer.tokens_per_second, 1),
            }
        )
    else:
        print()


def _print_piece(text: str) -> None:
    print(text, end="", flush=True)


@app.command()
def token(*, as_json: AsJson = False) -> None:
    """Mint an access token for the gateway and print it."""
    from install import contents
    from install.api import instance

    places, settings = _here()
    with instance(settings.instance_url, contents.token_file(places)) as asked:
        found = asked.mint()
    if as_json:
        _print_json(
            {
                "token": found.value,
                "expires_at": found.expires_at,
                "base_url": found.base_url,
                "headers": found.headers,
            }
        )
    else:
        print(found.value)


@app.command()
def explain(  # noqa: PLR0913  # each is an option of the command line
    *,
    user: Annotated[str | None, typer.Option(help="Whose right; default the admin's own.")] = None,
    feature: Annotated[str | None, typer.Option(help="Such as code_completions.")] = None,
    namespace: Annotated[str | None, typer.Option(help="A group's path or number.")] = None,
    project: Annotated[
        str | None, typer.Option(help="A project's path or number, in place of its group.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model's ref.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Where the user asks from, as the gateway sees it.")
    ] = None,
    decision: Annotated[str | None, typer.Option(help="The decision_id of a refusal.")] = None,
    code: Annotated[
        str | None, typer.Option(help="Only what this error code means, such as A1001.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Why somebody may or may not use a feature; exit code 0 when permitted, 1 when not."""
    from install import contents
    from install.admin import explaining
    from install.api import instance

    places, settings = _here()
    question = explaining.Question(
        user=user,
        feature=feature,
        namespace=namespace,
        project=project,
        model=model,
        address=address,
        decision=decision,
    )
    with instance(settings.instance_url, contents.token_file(places)) as asked:
        if code is not None:
            meaning = explaining.meaning(asked, code, question)
            if as_json:
                _print_json(meaning)
            else:
                print(f"{meaning['code']}: {meaning['message']} {meaning['fix']}")
            return
        answer = explaining.ask(asked, question)
    if as_json:
        _print_json(answer)
    else:
        explaining.show(answer)
    raise typer.Exit(explaining.exit_code(answer))


@app.command(context_settings=RAW, add_help_option=False)
def users(context: typer.Context) -> None:
    """Work on users, on this machine: create, block, delete, token, revoke-token ..."""
    from install import local_work

    places, settings = _here()
    raise typer.Exit(local_work.run(places, settings, ["users", *context.args]))


@app.command(context_settings=RAW, add_help_option=False)
def clock(context: typer.Context) -> None:
    """What the instance makes of this machine's clock: show, accept."""
    from install import local_work

    places, settings = _here()
    raise typer.Exit(local_work.run(places, settings, ["clock", *context.args]))


@app.command(context_settings=RAW, add_help_option=False)
def bundle(context: typer.Context) -> None:
    """One signed file: verify, inspect, apply, rollback, receipts, trust, key (bundle --help)."""
    from install.bundle import program

    raise typer.Exit(program.main(context.args, carried=None))


@app.command()
def version() -> None:
    """The version of this program."""
    print(f"casemate {release()}")


def _add_backups() -> None:
    from install.backup.commands import app as backup
    from install.backup.commands import restore

    app.add_typer(backup, name="backup", help="Backups: make, --test, list, schedule.")
    app.command()(restore)


def _add_groups() -> None:
    from install.admin.auditing import app as audit
    from install.admin.features import app as features
    from install.admin.flags import app as flags
    from install.admin.gateways import app as gateways
    from install.admin.instance_settings import app as settings
    from install.admin.keys import app as keys
    from install.admin.licences import app as licence
    from install.admin.models import app as models
    from install.admin.seats import app as seats
    from install.tls.commands import app as tls

    app.add_typer(
        models, name="models", help="Models: add, list, change, check, remove, offered, sync."
    )
    app.add_typer(features, name="features", help="Models of features: list, assign, lock, reset.")
    app.add_typer(flags, name="flags", help="Feature flags: list, show, set, reset, stale.")
    app.add_typer(licence, name="licence", help="Licences: issue, inspect, add, list, remove.")
    app.add_typer(seats, name="seats", help="Seats: list, give, take.")
    app.add_typer(audit, name="audit", help="The audit log: verify, list.")
    app.add_typer(gateways, name="gateways", help="Gateways: list, show, add, remove.")
    app.add_typer(keys, name="keys", help="Signing keys: list, rotate.")
    app.add_typer(settings, name="settings", help="Addresses and limits: show, set, reset.")
    app.add_typer(tls, name="tls", help="Certificates: show, renew.")


def _add_commands() -> None:
    from install.admin.setup_demo import setup
    from install.admin.usage import usage
    from install.doctor.command import doctor
    from install.egress.command import egress
    from install.preflight.command import preflight
    from install.removing.commands import remove
    from install.support.command import support_bundle

    app.command(name="support-bundle")(support_bundle)
    for command in (preflight, remove, usage, doctor, egress, setup):
        app.command()(command)


_add_groups()
_add_commands()

_add_backups()

if __name__ == "__main__":
    main()
