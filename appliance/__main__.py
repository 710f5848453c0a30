"""Starts the instance, fills it for the first time, and does local admin work."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import appliance.tables  # noqa: F401  # registers every table, for what copies, checks and migrates
from appliance import first_contents
from appliance.accounts.rules import Scope
from appliance.clock import utc_now
from appliance.errors import ApplianceError, InvalidFieldsError
from appliance.local import audit as local_audit
from appliance.local import clock as local_clock
from appliance.local import licences as local_licences
from appliance.local import maintenance, master_key
from appliance.local import users as local_users
from appliance.settings import Settings, SettingsError

BROKEN_EXIT = 1
USAGE_EXIT = 2

Command = Callable[[Settings, argparse.Namespace], int | None]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    0: it did what it says; 1: what was looked through is not right; 2: something must be put
    right first.
    """
    arguments = _parser().parse_args(argv)
    # The database and its journals are nobody else's to read.
    os.umask(0o077)
    command: Command = arguments.command
    try:
        return command(Settings.from_environment(), arguments) or 0
    except SettingsError as error:
        print(f"The settings cannot be used:\n{error}", file=sys.stderr)
        return USAGE_EXIT
    except ApplianceError as error:
        print(f"{error} [{error.code}]", file=sys.stderr)
        return USAGE_EXIT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m appliance", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the instance in the foreground")
    serve.set_defaults(command=_serve)

    init = commands.add_parser("init", help="fill a new instance; changes nothing the second time")
    init.add_argument("--answers", type=Path, required=True, metavar="FILE")
    init.set_defaults(command=_init)

    _add_user_commands(commands)
    _add_licence_commands(commands)
    _add_clock_commands(commands)

    _add_audit_commands(commands)
    maintenance.add_to(commands)
    return parser


def _add_audit_commands(commands: Any) -> None:
    keys = commands.add_parser("keys", help="the master key of this machine's own database")
    tries = keys.add_subparsers(required=True, metavar="ACTION")
    check = tries.add_parser("check", help="whether it opens what is sealed")
    check.set_defaults(command=lambda settings, _: _print_json(master_key.check(settings)))

    audit = commands.add_parser("audit", help="the log of who did what, in the database itself")
    actions = audit.add_subparsers(required=True, metavar="ACTION")

    verify = actions.add_parser("verify", help="look it through; exit 1 if it was changed")
    verify.set_defaults(command=_verify_audit)

    record = actions.add_parser("record", help="add what was done; facts in JSON on standard input")
    record.add_argument("event", choices=local_audit.EVENTS, metavar="EVENT")
    record.set_defaults(command=_record_audit)


def _add_user_commands(commands: Any) -> None:
    users = commands.add_parser("users", help="admin work on this machine's own database")
    actions = users.add_subparsers(required=True, metavar="ACTION")

    create = actions.add_parser("create", help="make a user with a generated password")
    create.add_argument("username")
    create.add_argument("--name", help="default: the username")
    create.add_argument("--email", help="default: USERNAME@localhost")
    create.add_argument("--admin", action="store_true")
    create.set_defaults(command=_create_user)

    reset = actions.add_parser("reset-password", help="give a user a generated password")
    reset.add_argument("username")
    reset.set_defaults(command=_reset_password)

    pat = actions.add_parser("token", help="give a user a personal access token")
    pat.add_argument("username")
    pat.add_argument("--name", default="made on the machine")
    pat.add_argument("--scopes", default="api", help=f"from {', '.join(Scope)}, with commas")
    pat.add_argument("--days", type=int, default=365, help="how long it works")
    pat.set_defaults(command=_create_pat)

    for name, state, about in (
        ("block", "blocked", "end what a user may do, and their answers under way"),
        ("unblock", "active", "let a user work again"),
    ):
        change = actions.add_parser(name, help=about)
        change.add_argument("username")
        change.set_defaults(command=_set_user_state, state=state)

    remove = actions.add_parser("delete", help="remove a user with their tokens")
    remove.add_argument("username")
    remove.set_defaults(command=_delete_user)

    tokens = actions.add_parser("tokens", help="a user's personal access tokens")
    tokens.add_argument("username")
    tokens.set_defaults(command=_list_pats)

    revoke = actions.add_parser("revoke-token", help="end a token and all obtained with it")
    revoke.add_argument("id", type=int)
    revoke.set_defaults(command=_revoke_pat)


def _add_licence_commands(commands: Any) -> None:
    licence = commands.add_parser("licence", help="licence work on this machine's own database")
    actions = licence.add_subparsers(required=True, metavar="ACTION")

    add = actions.add_parser("add", help="trust an authority, add a licence; each if it is new")
    add.add_argument("--authority-key", metavar="KEY", help="its public key, in base64url")
    add.add_argument("--demo", action="store_true", help="mark the authority as a demo one")
    add.add_argument("--file", type=Path, metavar="FILE", help="a licence")
    add.add_argument("--seat-for-admin", metavar="USERNAME", help="give a seat in what it buys")
    add.set_defaults(command=_add_licence)

    show = actions.add_parser("show", help="the instance's id, its authority and its licences")
    show.set_defaults(command=lambda settings, _: _print_json(local_licences.show(settings)))

    reset = actions.add_parser("reset-clock", help="after a clock that ran ahead was set right")
    reset.set_defaults(command=lambda settings, _: _print_json(local_clock.accept(settings)))


def _add_clock_commands(commands: Any) -> None:
    clock = commands.add_parser("clock", help="what the instance makes of this machine's clock")
    actions = clock.add_subparsers(required=True, metavar="ACTION")

    show = actions.add_parser("show", help="the clock, and the latest time that was seen")
    show.set_defaults(command=lambda settings, _: _print_json(local_clock.show(settings)))

    accept = actions.add_parser("accept", help="after a clock that ran ahead was set right")
    accept.set_defaults(command=lambda settings, _: _print_json(local_clock.accept(settings)))


def _serve(settings: Settings, _: argparse.Namespace) -> None:
    from appliance import service  # noqa: PLC0415  # a second that other commands need not wait

    service.serve(settings)


def _init(settings: Settings, arguments: argparse.Namespace) -> None:
    answers = first_contents.read_answers(arguments.answers)
    result = first_contents.fill(settings, answers, now=utc_now())
    for warning in result.warnings:
        print(warning, file=sys.stderr)
    _print_json(result.summary())


def _create_user(settings: Settings, arguments: argparse.Namespace) -> None:
    made = local_users.create(
        settings,
        arguments.username,
        name=arguments.name or arguments.username,
        email=arguments.email or f"{arguments.username}@localhost",
        is_admin=arguments.admin,
    )
    _print_json(made)


def _reset_password(settings: Settings, arguments: argparse.Namespace) -> None:
    _print_json(local_users.reset_password(settings, arguments.username))


def _create_pat(settings: Settings, arguments: argparse.Namespace) -> None:
    scopes = [scope for scope in arguments.scopes.split(",") if scope]
    made = local_users.create_pat(
        settings, arguments.username, name=arguments.name, scopes=scopes, days=arguments.days
    )
    _print_json(made)


def _set_user_state(settings: Settings, arguments: argparse.Namespace) -> None:
    _print_json(local_users.set_state(settings, arguments.username, arguments.state))


def _delete_user(settings: Settings, arguments: argparse.Namespace) -> None:
    _print_json(local_users.delete(settings, arguments.username))


def _list_pats(settings: Settings, arguments: argparse.Namespace) -> None:
    _print_json(local_users.list_pats(settings, arguments.username))


def _revoke_pat(settings: Settings, arguments: argparse.Namespace) -> None:
    _print_json(local_users.revoke_pat(settings, arguments.id))


def _add_licence(settings: Settings, arguments: argparse.Namespace) -> None:
    added = local_licences.add(
        settings,
        authority_key=arguments.authority_key,
        is_demo=arguments.demo,
        file=arguments.file,
        seat_for=arguments.seat_for_admin,
    )
    _print_json(added)


def _verify_audit(settings: Settings, _: argparse.Namespace) -> int:
    verdict = local_audit.verify(settings)
    _print_json(verdict.summary())
    return 0 if verdict.is_intact else BROKEN_EXIT


def _record_audit(settings: Settings, arguments: argparse.Namespace) -> None:
    try:
        facts = json.loads(sys.stdin.read() or "{}")
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise InvalidFieldsError({"facts": "must be a JSON object"})
    local_audit.record(settings, arguments.event, facts)
    _print_json({"recorded": arguments.event})


def _print_json(value: object) -> None:
    print(json.dumps(value))


if __name__ == "__main__":
    sys.exit(main())
