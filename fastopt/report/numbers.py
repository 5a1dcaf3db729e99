"""How this package writes numbers as text: every sentence, table and figure takes them from here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from fastopt.bench.stats import Interval
from fastopt.report.intervals import bounded

NONE = "-"  # what is not there


def number(value: float) -> str:
    """Three significant digits, whole numbers in full: 0.0713, 3.1e-5, 25,140; "-" for nan."""
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return "diverged"
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < 1e6 else _tidy(f"{value:.2e}")
    return _tidy(f"{value:.2e}") if abs(value) < 1e-3 else f"{value:#.3g}".rstrip(".")


def _tidy(scientific: str) -> str:
    mantissa, exponent = scientific.split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def rate(value: float) -> str:
    """A learning rate: two significant digits, no padding."""
    if math.isnan(value):
        return NONE
    return f"{value:.2g}" if 1e-4 <= value < 99.5 else f"{value:,.0f}" if 1 < value < 1e6 else _tidy(f"{value:.1e}")


def factor(value: float) -> str:
    """A ratio: three significant digits, "infinity" where something diverged."""
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return "infinity"
    return f"{value:#.3g}".rstrip(".") if value < 1000 else number(value)


def percent(fraction: float) -> str:
    """A fraction as a percentage with one decimal, without the sign: 0.502 -> "50.2"."""
    if math.isnan(fraction):
        return NONE
    return "diverged" if math.isinf(fraction) else f"{100 * fraction:.1f}"


def difference(relative: float) -> str:
    """A relative difference: "3.2 %", from one hundred per cent on "a factor of 2.50"; "-" where there is none."""
    if math.isnan(relative) or math.isinf(relative):
        return NONE
    return f"{percent(relative)} %" if relative < 1 else f"a factor of {factor(1 + relative)}"


def duration(seconds: float) -> str:
    """Three significant digits and the unit that fits: 12.3 µs, 4.56 ms, 7.89 s, 12.5 min, 3.4 h."""
    if math.isnan(seconds) or math.isinf(seconds):
        return NONE
    if seconds >= 7200:
        return f"{seconds / 3600:,.1f} h"
    if seconds >= 600:
        return f"{seconds / 60:,.1f} min"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= 0.9995 * size:
            return f"{seconds / size:#.3g}".rstrip(".") + f" {unit}"
    return f"{seconds * 1e9:.3g} ns"


def memory(n_bytes: float) -> str:
    """Bytes in decimal units: 512 B, 12.3 kB, 4.56 MB."""
    if math.isnan(n_bytes):
        return NONE
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= 0.9995 * size:
            return f"{n_bytes / size:#.3g}".rstrip(".") + f" {unit}"
    return f"{n_bytes:.0f} B"


def or_never(show: Callable[[float], str]) -> Callable[[float], str]:
    """Return `show` with "never" for infinity: of steps and seconds to a goal."""
    return lambda value: "never" if math.isinf(value) else show(value)


def span(interval: Interval, show: Callable[[float], str]) -> str:
    """The bounds of an interval, "480 to 519 µs"; "" where there are none to show."""
    if not bounded(interval) or math.isinf(interval.median):
        return ""
    low, high = show(interval.low), show(interval.high)
    unit = high.rpartition(" ")[2]
    return f"{low.removesuffix(' ' + unit)} to {high}"


def words(items: Iterable[str]) -> str:
    """Join as in a sentence: "a", "a and b", "a, b and c"."""
    listed = list(items)
    return " and ".join(filter(None, [", ".join(listed[:-1]), *listed[-1:]]))


def count(n: float, noun: str, ending: str = "s") -> str:
    """A number and its noun: "1 seed", "6 seeds"; `ending` makes the plural."""
    return f"{number(n)} {noun}{'' if n == 1 else ending}"


def short(text: str, most: int = 48) -> str:
    """The text, cut where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"
