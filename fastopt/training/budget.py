"""How long a run may train, and at which points it is looked at: both counted in samples, whatever the batch size."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.errors import ConfigError

__all__ = ["COARSE", "FINE", "Budget", "epoch_rows", "evaluation_points", "geometric_grid", "steps_in"]

# From one look at a run to the next its samples grow by this factor: for a curve, and where a goal is to be met. A hit
# is known up to one factor, and each look takes as long as training on some thousand rows.
COARSE = math.sqrt(2.0)
FINE = 2.0**0.25


@dataclass(frozen=True)
class Budget:
    """The end of a run: so many epochs, steps, samples or seconds of the training clock, whichever is used up first.

    None is no bound; one at least must be given. A sample is a training row, counted as often as it is used. Raises
    ConfigError for a bound that is not positive, and without any.
    """

    epochs: int | None = None
    steps: int | None = None
    samples: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        if not given:
            raise ConfigError("no budget was given: name epochs, steps, samples or seconds")
        for name, value in given.items():
            if name == "seconds":
                if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < math.inf:
                    raise ConfigError(f"seconds must be a positive number, got {value!r}")
            elif isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value < 2**63:
                raise ConfigError(f"{name} must be a whole number from 1 to 2**63 - 1, got {value!r}")

    def __str__(self) -> str:
        given = [(name, value) for name, value in dataclasses.asdict(self).items() if value is not None]
        return " or ".join(f"{value:g} {name.rstrip('s') if value == 1 else name}" for name, value in given)

    def most_samples(self, n_rows: int, batch_size: int, *, drop_last: bool = False) -> int | None:
        """Return the samples at which epochs, steps or samples are used up; None where seconds alone bound the run."""
        rows = epoch_rows(n_rows, batch_size, drop_last=drop_last)
        bounds = [] if self.samples is None else [int(self.samples)]
        if self.epochs is not None:
            bounds.append(int(self.epochs) * rows)
        if self.steps is not None:
            whole, rest = divmod(int(self.steps), math.ceil(rows / batch_size))
            bounds.append(whole * rows + rest * batch_size)
        return min(bounds, default=None)


def epoch_rows(n_rows: int, batch_size: int, *, drop_last: bool) -> int:
    """Return how many of `n_rows` training rows one epoch uses: all, or those that fill whole batches."""
    return n_rows - n_rows % batch_size if drop_last else n_rows


def steps_in(samples: int, rows: int, batch_size: int) -> int:
    """Return the steps that a run of epochs of `rows` rows needs to use `samples` of them."""
    whole, rest = divmod(samples, rows)
    return whole * math.ceil(rows / batch_size) + math.ceil(rest / batch_size)


def evaluation_points(wanted: str | Sequence[int], n_rows: int, rows: int) -> Callable[[], Iterator[int]]:
    """Return what makes the grid on which a run is looked at, anew for every try: ascending counts of samples.

    `wanted` is "epochs", "geometric" or the counts themselves; an epoch uses `rows` of `n_rows`. The end of the run is
    not among them. Raises ConfigError for anything else.
    """
    if isinstance(wanted, str) and wanted == "epochs":
        return functools.partial(itertools.count, rows, rows)
    if isinstance(wanted, str) and wanted == "geometric":
        return functools.partial(geometric_grid, n_rows, None)
    return functools.partial(iter, _ascending(wanted))


def _ascending(wanted: Any) -> list[int]:
    listed = [] if isinstance(wanted, str) else list(wanted)
    whole = all(isinstance(point, int | np.integer) and not isinstance(point, bool) for point in listed)
    if not listed or not whole or listed != sorted(set(listed)) or listed[0] < 1:
        raise ConfigError(
            'evaluate_at must be "epochs", "geometric" or ascending counts of samples such as [100, 1000], '
            f"got {wanted!r}"
        )
    return [int(point) for point in listed]


def geometric_grid(n_rows: int, most: int | None, factor: float = COARSE) -> Iterator[int]:
    """Yield the counts of samples at which a run is looked at, the same for all batch sizes, ascending.

    From 1/16 of the `n_rows` of an epoch up by `factor`, and `most` at the end; without end for None.
    """
    point, last, end = max(1.0, n_rows / 16), 0, math.inf if most is None else most
    while round(point) < end:
        if round(point) > last:  # of a few rows, neighbouring points round to one
            last = round(point)
            yield last
        point *= factor
    yield int(end)
