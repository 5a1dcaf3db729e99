"""The learning-rate search of a cell: quasi-random trials on a log scale, and the choice among them."""

from __future__ import annotations

import math
from collections.abc import Mapping


def trial_rates(bounds: tuple[float, float], n_trials: int, seed: int) -> list[float]:
    """Return `n_trials` learning rates, log-uniform between `bounds`, ascending.

    A scrambled Halton sequence spreads the trials evenly, which independent draws do not (Halton 1960; Bergstra &
    Bengio 2012, section 2.4). The same seed gives the same rates.
    """
    from scipy.stats import qmc  # 0.7 s to import: only where it is used

    low, high = (math.log(bound) for bound in bounds)
    points = qmc.Halton(d=1, scramble=True, rng=seed).random(n_trials)[:, 0]
    return sorted(math.exp(low + (high - low) * float(point)) for point in points)


def choose(losses: Mapping[float, float | None]) -> float | None:
    """Return the rate with the lowest loss; a trial without a finite loss is out, and None if all are."""
    finite = {rate: loss for rate, loss in losses.items() if loss is not None and math.isfinite(loss)}
    return min(finite, key=lambda rate: (finite[rate], rate)) if finite else None
