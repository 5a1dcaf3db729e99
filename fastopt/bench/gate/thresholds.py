"""How large a change matters, by groups of rows: `5%,epoch=10%,adam*=3%`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from fastopt import spec
from fastopt.errors import ConfigError

EXAMPLE = '5% or update=5%,epoch=10%,"adam*"=3%'


@dataclass(frozen=True)
class Thresholds:
    """Relative changes, such as 0.05, by pattern in the order they were given; `default` for rows that fit none.

    A pattern is the group of rows (the kind of their cases), or stands for names such as "adam float32 1e+05 elements,
    1 thread: fastopt serial" with the wildcards of a shell. Of several that fit, the last one counts.
    """

    default: float
    by_pattern: tuple[tuple[str, float], ...] = ()

    def of(self, group: str, name: str) -> float:
        """Return the threshold of a row."""
        fitting = [size for pattern, size in self.by_pattern if _fits(pattern, group, name)]
        return fitting[-1] if fitting else self.default

    def check(self, rows: Iterable[tuple[str, str]]) -> None:
        """Raise ConfigError if a pattern fits none of `rows`, pairs of group and name: a slip of the pen."""
        rows = list(rows)
        for pattern, _ in self.by_pattern:
            if not any(_fits(pattern, group, name) for group, name in rows):
                groups = ", ".join(sorted({group for group, _ in rows})) or "none"
                raise ConfigError(
                    f'no row for --threshold "{pattern}"; groups here: {groups}; names are matched like "adam*"'
                )


def parse(text: str | None, default: float) -> Thresholds:
    """Return the thresholds of a text such as EXAMPLE; raises ConfigError for one that cannot be read."""
    by_pattern: list[tuple[str, float]] = []
    for part in spec.split(text or ""):
        pattern, _, size = part.rpartition("=")
        if pattern:
            by_pattern.append((pattern.strip().strip("\"'"), _size(size, part)))
        else:
            default = _size(part, part)
    if text is not None and not spec.split(text):
        raise ConfigError(f"--threshold names no size; write it as {EXAMPLE}")
    return Thresholds(default, tuple(by_pattern))


def _size(text: str, part: str) -> float:
    number = text.strip().removesuffix("%")
    try:
        size = float(number) / 100 if number != text.strip() else math.nan
    except ValueError:
        size = math.nan
    if not 0 < size <= 10:
        raise ConfigError(f'cannot read --threshold "{part}": a size is above 0% and at most 1000%, as in {EXAMPLE}')
    return size


def _fits(pattern: str, group: str, name: str) -> bool:
    return pattern == group or fnmatchcase(name, pattern)
