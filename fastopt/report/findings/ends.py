"""The smallest and the largest batch size of each optimizer, side by side: what claims about larger batches rest on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastopt.bench.stats import Interval
from fastopt.report.cells import Cell
from fastopt.report.intervals import bounded, paired_ratio

Values = Mapping[int, float]  # by seed or round


@dataclass(frozen=True)
class Ends:
    """The paired ratio of a quantity, largest over smallest batch size, by optimizer, the lowest median first."""

    ratios: list[tuple[str, Interval]]
    small: Cell
    large: Cell
    pairs: int  # of the optimizer that has the fewest

    @property
    def bounded(self) -> bool:
        return all(bounded(ratio) for _, ratio in self.ratios)


def compare_ends(table: list[Cell], quantity: Callable[[Cell], Values]) -> Ends | None:
    """Return the comparison, None where no optimizer has the quantity at two batch sizes."""
    return compare_pairs(table, lambda small, large: (quantity(small), quantity(large)))


def compare_pairs(table: list[Cell], quantities: Callable[[Cell, Cell], tuple[Values, Values]]) -> Ends | None:
    """The same for a quantity that depends on both cells; a cell without values takes no part.

    In an unfinished study, only optimizers measured at the same two ends are put side by side.
    """
    found: Ends | None = None
    for optimizer in dict.fromkeys(cell.optimizer for cell in table):
        pair = _ends([c for c in table if c.optimizer == optimizer and all(quantities(c, c))])
        if pair is None:
            continue
        bottom, top = quantities(*pair)
        ratio, n = paired_ratio(top, bottom)
        if n == 0 or math.isnan(ratio.median):
            continue
        found = found or Ends([], *pair, n)
        if (found.small.batch, found.large.batch) == (pair[0].batch, pair[1].batch):
            ratios = sorted([*found.ratios, (optimizer, ratio)], key=lambda item: item[1].median)
            found = Ends(ratios, found.small, found.large, min(found.pairs, n))
    return found


def _ends(row: list[Cell]) -> tuple[Cell, Cell] | None:
    row = sorted(row, key=lambda cell: cell.batch_size)
    return (row[0], row[-1]) if row and row[0].batch_size < row[-1].batch_size else None
