"""What a person reads at the end of `up`, and of `status`."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from install.outcome import Outcome
from install.status import Status
from install.tls.commands import said_of

WIDE = 160
DEMO = "DEMO LICENCE, for a trial and not for production"
TO_LICENSE = (
    "casemate licence list     says the id that a licence must be issued for, and by whom",
    "casemate licence add FILE, then casemate seats give ADD-ON admin, lets the admin ask",
    "casemate explain          says what is still missing",
)
COLOURS = {"ready": "green", "degraded": "yellow", "stopped": "red"}


def console_on(stream: TextIO) -> Console:
    """Cuts nothing short where no terminal says how wide it is."""
    return Console(file=stream, highlight=False, width=None if stream.isatty() else WIDE)


def show(outcome: Outcome, stream: TextIO) -> None:
    """Addresses, credentials, the answer, what is missing, what to do next."""
    console = console_on(stream)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    rows = {
        "instance": outcome.instance_url,
        "gateway": f"{outcome.gateway_url}/v1",
        "model": f"{outcome.model}, at {outcome.model_url}",
        "admin": outcome.username,
        "password": f"in {outcome.password_file}",
        "token": f"in {outcome.token_file}",
        "program": program_of(outcome.home),
    }
    if outcome.ca_file is not None:
        rows["trust"] = f"{outcome.ca_file}, which clients need"
    if outcome.is_demo_licence:
        rows["licence"] = DEMO
    if outcome.not_asked is None:
        rows["answer"] = f"“{outcome.answer}” ({outcome.tokens_per_second:.0f} tokens/s)"
    else:
        rows["not asked"] = outcome.not_asked
    for name, value in rows.items():
        table.add_row(name, escape(value))
    title = f"casemate {outcome.version} is ready after {outcome.seconds:.0f} s"
    console.print()
    console.print(Panel.fit(table, title=title, title_align="left", border_style="green"))
    for line in advice(outcome):
        console.print(f"  {escape(line)}", soft_wrap=True)
    console.print()


def advice(outcome: Outcome) -> list[str]:
    """What to know and do next; commands are as they can be typed."""
    lines = [] if outcome.not_asked is None else list(TO_LICENSE)
    lines += [
        'casemate ask "…"          asks it something',
        "casemate status           and logs, down",
    ]
    if outcome.ca_file is not None:
        lines += to_trust(outcome.ca_file)
    if outcome.is_demonstration:
        up = (
            "casemate up --compose --model DIR" if outcome.containers else "casemate up --model DIR"
        )
        lines.append(f"{up:<25} serves a better model; this one is a demonstration")
    if not outcome.containers and not outcome.systemd:
        lines.append("casemate up               again after a reboot: nothing starts by itself yet")
    return lines


def to_trust(ca_file: str) -> list[str]:
    """How clients come to believe this appliance; the file holds nothing secret."""
    return [
        f"curl --cacert {ca_file} …",
        f"SSL_CERT_FILE={ca_file} has programs of this shell believe it, Python's too",
        "OpenAI(…, http_client=DefaultHttpxClient(verify=ssl.create_default_context(cafile=…)))",
    ]


def program_of(home: str) -> str:
    """Where the installed program lies, whichever slot is in use."""
    # There where the machine itself has no Python that could run the other.
    in_a_container = Path(home, "bin", "casemate")
    if in_a_container.exists():
        return str(in_a_container)
    folder = "slot" if Path(home, "slot").is_symlink() else "envs"
    return f"{home}/{folder}/services/bin/casemate"


def show_status(found: Status) -> None:
    """A table of services and models."""
    console = console_on(sys.stdout)
    colour = COLOURS[found.state]
    note = f": {escape(found.note)}" if found.note else ""
    console.print(
        f"{escape(found.home)} is [{colour}]{found.state}[/{colour}]{note}", soft_wrap=True
    )
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in ("service", "state", "pid", "since", "address"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "address")
    for service in found.services:
        began = datetime.fromtimestamp(service.since, UTC).astimezone() if service.since else None
        table.add_row(
            service.name,
            service.state,
            str(service.pid or ""),
            f"{began:%Y-%m-%d %H:%M:%S}" if began else "",
            service.address,
        )
    console.print(table)
    if found.is_demo_licence:
        console.print(DEMO)
    for certificate in found.certificates:
        console.print(escape(f"certificate {said_of(certificate)}"), soft_wrap=True)
    if found.egress_refused is not None:
        console.print(f"attempts to leave, all refused: {found.egress_refused} (casemate egress)")
    for model in found.models:
        reason = f": {model.reason}" if model.reason else ""
        restarts = f", restarted {model.restarts} times" if model.restarts else ""
        console.print(escape(f"model {model.ref} is {model.state}{restarts}{reason}"))
