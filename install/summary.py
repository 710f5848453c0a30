"""What a person reads at the end of `up`, and of `status`."""

from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from install.status import Status
from install.up import Outcome

COLOURS = {"ready": "green", "degraded": "yellow", "stopped": "red"}


def show(outcome: Outcome, stream: TextIO) -> None:
    """Addresses, credentials, the answer, what is missing, what to do next."""
    console = Console(file=stream, highlight=False)
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
        "answer": f"“{outcome.answer}” ({outcome.tokens_per_second:.0f} tokens/s)",
    }
    for name, value in rows.items():
        table.add_row(name, escape(value))
    title = f"casemate {outcome.version} is ready after {outcome.seconds:.0f} s"
    console.print()
    console.print(Panel(table, title=title, title_align="left", border_style="green"))
    for line in advice(outcome):
        console.print(f"  {escape(line)}", soft_wrap=True)
    console.print()


def advice(outcome: Outcome) -> list[str]:
    """What to know and do next; commands are as they can be typed."""
    program = f"{outcome.home}/envs/services/bin/casemate"
    lines = [
        f'Ask:     {program} ask "…"',
        f"Look:    {program} status · logs -f · down",
    ]
    if outcome.is_demonstration:
        lines.append(
            "Model:   this one is for demonstration only; serve a better one with "
            f"{program} up --model DIR"
        )
    lines.append(
        f"Reboot:  the services do not start by themselves after one; run {program} up again."
    )
    return lines


def show_status(found: Status) -> None:
    """A table of services and models."""
    console = Console(highlight=False)
    colour = COLOURS[found.state]
    note = f": {escape(found.note)}" if found.note else ""
    console.print(
        f"{escape(found.home)} is [{colour}]{found.state}[/{colour}]{note}", soft_wrap=True
    )
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in ("service", "state", "pid", "since", "address"):
        table.add_column(heading, no_wrap=heading != "address")
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
    for model in found.models:
        reason = f": {model.reason}" if model.reason else ""
        restarts = f", restarted {model.restarts} times" if model.restarts else ""
        console.print(escape(f"model {model.ref} is {model.state}{restarts}{reason}"))
