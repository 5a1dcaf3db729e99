"""What a search finds against the number of its trials: would fewer have been enough?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fastopt.bench.stats import Interval
from fastopt.errors import ConfigError


def best_of(costs: Sequence[float], trials: int) -> Interval:
    """Return the median of the lowest of `trials` costs drawn from `costs` without replacement, and its quartiles.

    Exact, by counting: the chance that none of the k lowest is drawn is C(n - k, m) / C(n, m). `low` and `high` are the
    quartiles; inf is a draw of misses only. After Dodge et al. 2019, "Show your work", section 3.
    Raises ConfigError for fewer than one trial, or more than there are costs.
    """
    if not 1 <= trials <= len(costs):
        raise ConfigError(f"of {len(costs)} trials 1 to {len(costs)} can be drawn, got {trials}")
    ordered = sorted(costs)
    return Interval(*(_quantile(ordered, trials, share) for share in (0.5, 0.25, 0.75)))


def _quantile(ordered: Sequence[float], trials: int, share: float) -> float:
    n, every = len(ordered), math.comb(len(ordered), trials)
    for k, cost in enumerate(ordered, start=1):
        if 1.0 - math.comb(n - k, trials) / every >= share:
            return cost
    return ordered[-1]
