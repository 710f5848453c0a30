"""Sums the raw rounds of `gateway_overhead` up: medians, what is added, ratios, a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.figures import Spread, quantile, ratios, spread

Results = dict[str, Any]

# Share of one core that other processes may use before the figures are doubtful.
QUIET_LIMIT = 0.1

ORDER = ("direct", "pipe", "gateway", "vllm-router", "portkey", "litellm")
LABELS = {
    "direct": "direct",
    "pipe": "bare pipe of bytes",
    "gateway": "Casemate's gateway",
    "vllm-router": "vllm-router",
    "portkey": "Portkey",
    "litellm": "LiteLLM",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of the table; `slow_load` is where slow ways were measured instead."""

    title: str
    load: str
    slow_load: str
    figure: str
    added: bool = False
    digits: int = 1


ROWS = (
    Row(title="CPU per whole request, µs", load="whole", slow_load="whole", figure="cpu_us"),
    Row(
        title="requests/s on one core, 16 connections",
        load="whole",
        slow_load="whole",
        figure="per_s",
        digits=0,
    ),
    Row(
        title="added latency at {rate_per_s} requests/s, p50, ms",
        load="rate",
        slow_load="slow_rate",
        figure="p50_ms",
        added=True,
        digits=2,
    ),
    Row(
        title="the same, p99, ms",
        load="rate",
        slow_load="slow_rate",
        figure="p99_ms",
        added=True,
        digits=2,
    ),
    Row(
        title="CPU per chunk, {paced_streams} streams at {pace_ms} ms, µs",
        load="paced",
        slow_load="slow_paced",
        figure="cpu_us",
    ),
    Row(
        title="CPU per chunk, {crowd_streams} streams at {pace_ms} ms, µs",
        load="crowd",
        slow_load="crowd",
        figure="cpu_us",
    ),
    Row(
        title="{crowd_streams} streams: added time to the first chunk, p50, ms",
        load="crowd",
        slow_load="crowd",
        figure="first_p50_ms",
        added=True,
        digits=2,
    ),
    Row(
        title="the same, p99, ms",
        load="crowd",
        slow_load="crowd",
        figure="first_p99_ms",
        added=True,
        digits=1,
    ),
)


def of_rounds(
    results: Results, *, load: str, way: str, figure: str, added: bool = False
) -> list[float]:
    """One figure of a way in every round, or what it adds to the direct way's of that round."""
    values = []
    for each in results["rounds"]:
        ways = each.get(load, {})
        if way in ways:
            direct = ways["direct"][figure] if added else 0.0
            values.append(ways[way][figure] - direct)
    return values


def ways_of(results: Results) -> list[str]:
    """The measured ways, in the order that they are told in."""
    return [way for way in ORDER if way in results["memory_mb"]]


def load_of(results: Results, row: Row, way: str) -> str:
    """The load that a way was measured under for a row: slow ways have slower ones."""
    return row.load if way in results["rounds"][0].get(row.load, {}) else row.slow_load


def row_values(results: Results, row: Row) -> dict[str, Spread]:
    """The figure of one row for each way that has it; what direct adds to itself is no figure."""
    found = {}
    for way in ways_of(results):
        load = load_of(results, row, way)
        values = of_rounds(results, load=load, way=way, figure=row.figure, added=row.added)
        if values and not (row.added and way == "direct"):
            found[way] = spread(values)
    return found


def is_limited(results: Results, *, load: str, way: str) -> bool:
    """Whether the bench itself was the limit in most rounds."""
    marks: list[bool] = [
        each[load][way]["bench_limited"] for each in results["rounds"] if way in each.get(load, {})
    ]
    return sum(marks) * 2 > len(marks)


def table(results: Results) -> str:
    """A Markdown table: the median of the rounds, with their range."""
    ways = ways_of(results)
    lines = [
        "| | " + " | ".join(_label(results, way) for way in ways) + " |",
        "|---|" + "---|" * len(ways),
    ]
    for row in ROWS:
        values = row_values(results, row)
        if not values:
            continue
        cells = [
            _cell(values[way], row.digits) + _mark(results, row, way) if way in values else ""
            for way in ways
        ]
        title = row.title.format(**results["load"])
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines += [_lost_line(results, ways), _memory_line(results, ways)]
    return "\n".join([*lines, "", *_notes(lines, results["load"])])


def _label(results: Results, way: str) -> str:
    version = results["versions"].get(way)
    return f"{LABELS[way]} {version}" if version else LABELS[way]


def _mark(results: Results, row: Row, way: str) -> str:
    load = load_of(results, row, way)
    limited = "\\*" if is_limited(results, load=load, way=way) else ""
    return limited + ("†" if load != row.load else "")


def _notes(lines: Sequence[str], load: dict[str, Any]) -> list[str]:
    """What the marks in the table mean, as far as they stand in it."""
    notes = {
        "†": "† at {slow_rate_per_s} requests/s and with {slow_paced_streams} streams,"
        " which is what it bears.".format(**load),
        "\\*": "\\* the bench was the limit: its own core was full.",
    }
    return [note for mark, note in notes.items() if any(mark in line for line in lines)]


def _cell(value: Spread, digits: int) -> str:
    low, high = f"{value.low:,.{digits}f}", f"{value.high:,.{digits}f}"
    middle = f"{value.median:,.{digits}f}"
    return middle if low == high else f"{middle} ({low}–{high})"  # noqa: RUF001  # a range


def _lost_line(results: Results, ways: Sequence[str]) -> str:
    cells = []
    for way in ways:
        lost = of_rounds(results, load="crowd", way=way, figure="lost")
        chunks = of_rounds(results, load="crowd", way=way, figure="chunks")
        cells.append(f"{sum(lost):,.0f} of {sum(chunks):,.0f}" if lost else "")
    return "| chunks lost | " + " | ".join(cells) + " |"


def _memory_line(results: Results, ways: Sequence[str]) -> str:
    memory = results["memory_mb"]
    cells = [f"{memory[way]['at_rest']:.0f} / {memory[way]['peak']:.0f}" for way in ways]
    return "| memory at rest / at its highest, MB | " + " | ".join(cells) + " |"


def gateway_ratios(results: Results) -> dict[str, dict[str, Spread]]:
    """The gateway's CPU time to each peer's, each ratio taken within one round."""
    measured = {
        "request": ("whole",),
        "chunk, paced": ("paced", "slow_paced"),
        "chunk, crowd": ("crowd",),
    }
    found: dict[str, dict[str, Spread]] = {}
    for peer in ways_of(results):
        if peer in {"direct", "gateway"}:
            continue
        for name, loads in measured.items():
            for load in loads:
                theirs = of_rounds(results, load=load, way=peer, figure="cpu_us")
                ours = of_rounds(results, load=load, way="gateway", figure="cpu_us")
                if theirs and ours:
                    found.setdefault(peer, {})[name] = spread(ratios(ours, theirs))
    return found


def warnings(results: Results) -> list[str]:
    """What a reader must know before believing the figures."""
    told = [f"LEFT OUT: {why}" for why in results["left_out"].values()]
    if not results["machine"]["way_has_its_own_core"]:
        told.append("ONE CORE: the bench and what it measures shared it")
    others = [
        figures["others_busy"]
        for each in results["rounds"]
        for ways in each.values()
        for figures in ways.values()
    ]
    if quantile(others, 0.5) > QUIET_LIMIT:
        told.append(f"NOT QUIET: others used {quantile(others, 0.5):.0%} of a core meanwhile")
    loads = results["rounds"][0]
    for load, ways in loads.items():
        told += [
            f"BENCH IS THE LIMIT: {load}, {way}: mock and driver filled their core"
            for way in ways
            if way != "direct" and is_limited(results, load=load, way=way)
        ]
    return told


def summary(results: Results) -> str:
    """The table, the ratios and the warnings, as text."""
    lines = [table(results), ""]
    for peer, names in gateway_ratios(results).items():
        for name, ratio in names.items():
            lines.append(
                f"gateway / {peer}, CPU per {name}: {ratio.median:.3f}"
                f" ({ratio.low:.3f} to {ratio.high:.3f})"
            )
    return "\n".join([*lines, *(f"*** {warning}" for warning in warnings(results))])
