import re
from xml.etree import ElementTree

from tests.bench.chart import Panel, decades, draw
from tests.bench.figures import Spread

SVG = "{http://www.w3.org/2000/svg}"


def a_panel(**values: float) -> Panel:
    spreads = {
        name: Spread(median=value, low=value / 2, high=2 * value) for name, value in values.items()
    }
    return Panel(title="CPU < all & more", unit="µs", values=spreads, ours="ours")


def drawn(*panels: Panel) -> ElementTree.Element:
    return ElementTree.fromstring(draw(panels, heading="Heading"))  # noqa: S314  # our own text


def test_the_picture_is_well_formed_whatever_the_titles_hold() -> None:
    texts = [each.text for each in drawn(a_panel(ours=3.0)).iter(f"{SVG}text")]
    assert "CPU < all & more" in texts


def test_every_way_has_a_bar_and_ours_stands_out() -> None:
    styles = [
        each.get("class") for each in drawn(a_panel(ours=3.0, theirs=400.0)).iter(f"{SVG}rect")
    ]
    assert styles == ["ours", "bar"]


def test_on_a_logarithmic_axis_tenfold_is_the_same_length_everywhere() -> None:
    bars = list(drawn(a_panel(a=10.0, b=100.0, c=1000.0)).iter(f"{SVG}rect"))
    widths = [float(bar.get("width", "0")) for bar in bars]
    assert abs((widths[1] - widths[0]) - (widths[2] - widths[1])) < 0.2


def test_everything_lies_within_the_picture() -> None:
    root = drawn(a_panel(ours=0.01, theirs=30_000.0), a_panel(ours=5.0))
    _, _, width, height = (float(each) for each in (root.get("viewBox") or "").split())
    for each in root.iter():
        for name, limit in (("x", width), ("x1", width), ("x2", width), ("y", height)):
            assert 0 <= float(each.get(name, "0")) <= limit


def test_it_reads_on_light_and_on_dark_pages() -> None:
    assert re.search(r"prefers-color-scheme: dark", draw([a_panel(ours=1.0)], heading=""))


def test_the_axis_holds_all_values() -> None:
    assert decades([3.0, 450.0]) == (0, 3)
    assert decades([10.0, 10.0]) == (1, 2)
