"""One drawing style for all charts: matplotlib's object interface in, small inline SVG in the page's theme out.

Colours are drawn in marker values and replaced by CSS variables, text stays text in the page's own font, and everything
that names an address or could clash with a second chart on the page is taken out.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTH = 720
GRID = "#0b0b01"
INK = "#0b0b02"
MUTED = "#0b0b03"
SHADE = "#0b0b04"
BAD = "#0b0b05"
SERIES = ("#0b0c01", "#0b0c02", "#0b0c03", "#0b0c04", "#0b0c05", "#0b0c06")
_VARIABLES = {GRID: "grid", INK: "ink", MUTED: "muted", SHADE: "shade", BAD: "bad"} | {
    marker: f"s{number}" for number, marker in enumerate(SERIES, 1)
}
DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = ("-", (0, (6, 2)), (0, (2, 2)), (0, (8, 2, 2, 2)))

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
    "font.size": 12,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 1,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "text.color": INK,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "path.simplify": True,
    "path.simplify_threshold": 0.5,
}


@dataclass(frozen=True, slots=True)
class Key:
    """One line of a legend. `colour` is a CSS variable's name; `dash` one of line, dashed, dotted, dashdot, band."""

    label: str
    colour: str
    dash: str = "line"


@dataclass(frozen=True, slots=True)
class Chart:
    """A finished chart. `unit` says what the axes count, `reading` how to read it, `alternative` what it shows."""

    title: str
    unit: str
    reading: str
    alternative: str
    svg: str
    keys: tuple[Key, ...] = ()


class Drawing:
    """A figure of `rows` panels above each other, sharing the x axis. Use `axes`, then `svg()`."""

    def __init__(self, figure: Any, axes: Sequence[Any]) -> None:
        self.figure = figure
        self.axes = axes

    def svg(self, alternative: str) -> str:
        """The drawing as an `<svg>` element with `alternative` as its accessible name."""
        out = io.StringIO()
        self.figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
        return _tidy(out.getvalue(), alternative)


@contextmanager
def drawing(name: str, *, height: int = 260, rows: int = 1, left: int = 58, right: int = 14) -> Iterator[Drawing]:
    """A drawing surface of `WIDTH` × `height` CSS pixels; `name` keeps its inner ids apart from other charts'.

    matplotlib is imported here, so that reading numbers does not pay for drawing them.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        figure.subplots_adjust(
            left=left / WIDTH, right=1 - right / WIDTH, top=1 - 24 / height, bottom=40 / height, hspace=0.18
        )
        yield Drawing(figure, list(axes))


def variable(marker: str) -> str:
    """The CSS variable (without dashes) that a marker colour becomes."""
    return _VARIABLES[marker]


def series_colour(number: int) -> str:
    """The marker colour of the series with this position; colours repeat after six, dashes then tell them apart."""
    return SERIES[number % len(SERIES)]


def thousands(axis: Any) -> None:
    """Thousands separators on an axis' ticks."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def duration_ticks(axis: Any, low_ms: float, high_ms: float) -> None:
    """Ticks of a logarithmic axis in ms, written as µs, ms, s: 1-2-5 steps where they fit, else decades."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    decades = np.log10(high_ms / low_ms)
    steps: tuple[float, ...] = (1, 2, 5) if decades < 2.2 else (1, 3) if decades < 3.5 else (1,)
    steps = (1, 1.5, 2, 3, 4, 5, 7) if decades < 1 else steps
    exponents = range(int(np.floor(np.log10(low_ms))), int(np.ceil(np.log10(high_ms))) + 1)
    ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low_ms <= tick <= high_ms]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_duration(value)))
    axis.set_minor_formatter(NullFormatter())


def tick_duration(milliseconds: float) -> str:
    """A tick label: 500 µs, 20 ms, 5 s."""
    for bound, factor, unit in ((1, 1e3, "µs"), (1e3, 1, "ms"), (np.inf, 1e-3, "s")):
        if milliseconds < bound * 0.9999:
            return f"{milliseconds * factor:,.4g} {unit}"
    return ""


def _tidy(svg: str, alternative: str) -> str:
    """Only the `<svg>` element, without metadata, namespaces, group names and fixed size; colours as variables."""
    view_box = re.search(r'viewBox="([^"]+)"', svg)
    svg = svg[svg.index(">", svg.index("<svg")) + 1 :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<[^>]*>", lambda found: _tidy_tag(found.group()), svg)
    svg = re.sub(r"\n\s*", "\n", svg).strip()
    size = view_box.group(1) if view_box else f"0 0 {WIDTH} 260"
    return f'<svg viewBox="{size}" role="img" aria-label="{_attribute(alternative)}">\n{svg}'


def _tidy_tag(tag: str) -> str:
    """One tag without what only matplotlib needs; coordinates to a tenth of a pixel."""
    tag = re.sub(r'^<g id="[^"]*"', "<g", tag)
    tag = re.sub(r"font: (?:([a-z]+|\d+) )?([\d.]+)px [^;\"]+", _font, tag)
    tag = re.sub(r"font-family: [^;\"]+;? ?", "", tag)
    tag = re.sub(r' transform="rotate\(-0 [^"]*"', "", tag)
    tag = re.sub(r"#0b0[bc]0\d", lambda found: f"var(--{_VARIABLES[found.group()]})", tag)
    return re.sub(r"(\.\d)\d+", r"\1", tag).replace("xlink:href", "href")


def _font(found: re.Match[str]) -> str:
    weight = f"font-weight: {found.group(1)}; " if found.group(1) else ""
    return f"{weight}font-size: {found.group(2)}px"


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
