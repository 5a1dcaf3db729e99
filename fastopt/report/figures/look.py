"""How all figures look: an optimizer has one colour (Okabe & Ito) and one marker, batch sizes have shades."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from fastopt.bench.stats import Interval
from fastopt.report.cells import Cell
from fastopt.report.intervals import ENOUGH

# Okabe & Ito 2008, safe for colour-blind readers; the two palest come last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
INK, FAINT = "#222222", "#d9d9d9"
PANEL = (4.1, 3.1)  # inches; 394 CSS pixels wide
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",  # text stays text: small, selectable, sharp
    "svg.hashsalt": "fastopt",  # the same records give the same bytes
    "text.parse_math": False,  # a "$" in a user's optimizer is a "$"
}

Look = tuple[Any, str]  # colour, marker


@contextmanager
def style() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


class AtBatch(Protocol):
    """A cell of a comparison, or of a study towards a goal."""

    @property
    def optimizer(self) -> str: ...
    @property
    def batch(self) -> str: ...


def optimizer_looks(table: Sequence[AtBatch]) -> dict[str, Look]:
    """Return the look of every optimizer."""
    names = dict.fromkeys(cell.optimizer for cell in table)
    return {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(names)}


def batch_looks(table: Sequence[AtBatch]) -> dict[str, Look]:
    """Return the look of every batch size, dark for the first; the palest is seen on white, and inverted on black."""
    import matplotlib

    names = list(dict.fromkeys(cell.batch for cell in table))
    shades = matplotlib.colormaps["cividis"](np.linspace(0.0, 0.75, max(2, len(names))))
    return {name: (tuple(shades[i]), MARKERS[i % len(MARKERS)]) for i, name in enumerate(names)}


def band_words(shown: Sequence[Cell]) -> str:
    """Say what the bands around medians over seeds are."""
    counts = sorted({len(cell.losses) for cell in shown})
    if not counts or counts[0] >= ENOUGH:
        text = "Band: 95 % interval of the median over seeds."
        lost = any(cell.diverged or cell.failed for cell in shown)
        return text + (" A band open to the top holds a diverged run." if lost else "")
    some = "" if counts[-1] < ENOUGH else " (95 % interval where there are six seeds)"
    return f"Band: the range over seeds, as fewer than six bear no interval{some}."


def unit(times_s: Sequence[float]) -> tuple[str, float]:
    """The unit that fits the longest of some times, and what seconds are multiplied by."""
    longest = max((time for time in times_s if np.isfinite(time)), default=1.0)
    return ("s", 1.0) if longest >= 1 else ("ms", 1e3) if longest >= 1e-3 else ("µs", 1e6)


def scaled(interval: Interval, scale: float) -> Interval:
    return Interval(*(value * scale for value in interval))
