"""Draws the bench's figures as an SVG that reads on light and on dark pages."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from tests.bench.figures import Spread

WIDTH, LABEL_WIDTH, VALUE_WIDTH = 760, 190, 130
BAR, GAP, PANEL_HEAD, PANEL_FOOT = 16, 8, 44, 34

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.unit, .tick { fill: #59636e; font-size: 12px; font-weight: 400 }
.tick { text-anchor: middle }
.grid { stroke: #d1d9e0 }
.range { stroke: #1f2328; stroke-width: 1.5 }
.bar { fill: #8c959f }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .unit, .tick { fill: #9198a1 }
  .grid { stroke: #3d444d }
  .range { stroke: #e6edf3 }
  .bar { fill: #656c76 }
  .ours { fill: #4493f8 }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One figure of several ways; `ours` is the way that stands out."""

    title: str
    unit: str
    values: dict[str, Spread]
    ours: str

    @property
    def height(self) -> int:
        return PANEL_HEAD + len(self.values) * (BAR + GAP) + PANEL_FOOT


def decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten that a logarithmic axis begins and ends with to hold all values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def draw(panels: Sequence[Panel], *, heading: str) -> str:
    """The whole picture; every axis is logarithmic, because the ways lie far apart."""
    height = 34 + sum(panel.height for panel in panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(heading)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="unit" x="8" y="20">{escape(heading)}</text>',
    ]
    top = 34
    for panel in panels:
        parts += _panel(panel, top)
        top += panel.height
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel, top: int) -> list[str]:
    spreads = panel.values.values()
    low, high = decades([bound for each in spreads for bound in (each.low, each.high)])

    def x_of(value: float) -> float:
        share = (math.log10(value) - low) / (high - low)
        return LABEL_WIDTH + share * (WIDTH - LABEL_WIDTH - VALUE_WIDTH)

    unit = f'<tspan class="unit" dx="8">{escape(panel.unit)}, logarithmic scale</tspan>'
    parts = [f'<text class="title" x="8" y="{top + 20}">{escape(panel.title)}{unit}</text>']
    bars_top = top + PANEL_HEAD - 12
    bars_end = bars_top + len(panel.values) * (BAR + GAP)
    for power in range(low, high + 1):
        x = x_of(10.0**power)
        parts += [
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{bars_top - 4}" y2="{bars_end}"/>',
            f'<text class="tick" x="{x:.1f}" y="{bars_end + 16}">{10.0**power:,g}</text>',
        ]
    for number, (name, value) in enumerate(panel.values.items()):
        parts += _bar(name, value, y=bars_top + number * (BAR + GAP), panel=panel, x_of=x_of)
    return parts


def _bar(
    name: str, value: Spread, *, y: int, panel: Panel, x_of: Callable[[float], float]
) -> list[str]:
    left, right = x_of(value.low), x_of(value.high)
    style = "ours" if name == panel.ours else "bar"
    middle, text_y = y + BAR / 2, y + BAR - 3
    width = max(1.0, x_of(value.median) - LABEL_WIDTH)
    text_x = max(right, LABEL_WIDTH + width) + 8
    return [
        f'<text x="{LABEL_WIDTH - 10}" y="{text_y}" text-anchor="end">{escape(name)}</text>',
        f'<rect class="{style}" x="{LABEL_WIDTH}" y="{y}" width="{width:.1f}" height="{BAR}"/>',
        f'<line class="range" x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}"/>',
        f'<text x="{text_x:.1f}" y="{text_y}">{_short(value.median)}</text>',
    ]


def _short(value: float) -> str:
    """Three digits that mean something."""
    digits = max(0, 2 - math.floor(math.log10(value)))
    return f"{value:,.{digits}f}"
