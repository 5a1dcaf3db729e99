"""t(B): seconds per step at each batch size, and whether a fixed cost plus a rate describes them.

    t(B) = t_0 + B / R

t_0 is what a step costs before its first row (launching, the update, shuffling), R the rows per second beyond that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fastopt.bench.stats import Interval
from fastopt.errors import ConfigError

# A line that misses a measured time by more than this, and by more than that time's interval, is not the law of it.
CLOSE = 0.10


@dataclass(frozen=True)
class AffineStep:
    """t(B) = fixed_s + B / rows_per_s, and how far each measured time lies from it.

    residuals   measured over fitted time, less 1, by batch size
    affine      whether all of them are within ten per cent, or within the interval of what was measured
    """

    fixed_s: float
    rows_per_s: float
    residuals: Mapping[int, float]
    affine: bool

    def seconds(self, batch_size: float) -> float:
        """Return the fitted seconds of a step."""
        return self.fixed_s + batch_size / self.rows_per_s


def fit(times_s: Mapping[int, Interval]) -> AffineStep:
    """Fit the line to the median seconds per step of each batch size, by relative least squares, neither part negative.

    Relative, because a step of 4096 rows takes a hundred times that of one, and would be all that counts.
    Raises ConfigError for fewer than three batch sizes: two points lie on a line whatever they are.
    """
    from scipy import optimize

    if len(times_s) < 3:
        raise ConfigError(f"a line through times per step takes three batch sizes, got {len(times_s)}")
    sizes = np.array(sorted(times_s), dtype=np.float64)
    seconds = np.array([times_s[int(size)].median for size in sizes])
    fixed_s, per_row_s = optimize.nnls(np.column_stack([1.0 / seconds, sizes / seconds]), np.ones(sizes.size))[0]
    rows_per_s = 1.0 / per_row_s if per_row_s > 0 else float("inf")
    residuals = seconds / (fixed_s + sizes * per_row_s) - 1.0
    found = {int(size): float(residual) for size, residual in zip(sizes, residuals, strict=True)}
    affine = all(_near(residual, times_s[size]) for size, residual in found.items())
    return AffineStep(float(fixed_s), float(rows_per_s), found, affine)


def _near(residual: float, measured: Interval) -> bool:
    fitted = measured.median / (1.0 + residual)
    return abs(residual) <= CLOSE or (measured.known and measured.low <= fitted <= measured.high)
