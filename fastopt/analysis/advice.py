"""Which run to do next to learn most about B*, by where the answer could still be another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastopt.analysis.chain import Chain

# Batch sizes that were best in more than this share of resamples could be the best.
COULD_BE = 0.05
# Neighbours further apart than this leave room for a best batch size between them.
GAP = 2.0
# How far beyond the outermost rate tried to look.
BEYOND = 3.0


@dataclass(frozen=True)
class Suggestion:
    """A run to do: at a batch size, at a learning rate (None: the one that is chosen there), and why."""

    batch_size: int
    learning_rate: float | None
    why: str


def suggestions(
    chain: Chain, rates: Mapping[int, Sequence[float]], chosen: Mapping[int, float], largest: float = math.inf
) -> list[Suggestion]:
    """Return what to run next: rates beyond an edge, other batch sizes, other seeds; none without seconds to the goal.

    rates      learning rates tried, by batch size, those included at which none reached the goal
    chosen     the one that the runs of a batch size are compared at
    largest    batch size that can be run
    """
    best = chain.optimum
    if best is None:
        return []
    sizes = sorted(chain.steps.keys() | rates.keys())
    could = [size for size, share in best.shares.items() if share > COULD_BE] or [best.best]
    return [
        *(found for size in could for found in _rate(size, rates.get(size, ()), chosen.get(size, math.nan))),
        *_beyond(sizes, best.best, largest),
        *_between(sizes, best.best),
        *_again(chain, could),
    ]


def _rate(size: int, tried: Sequence[float], chosen: float) -> list[Suggestion]:
    """A rate beyond the edge, where the best of several is the outermost."""
    if len(tried) < 2 or math.isnan(chosen):
        return []
    if chosen <= min(tried) * (1 + 1e-9):
        return [Suggestion(size, chosen / BEYOND, "the best rate is the lowest tried there: a lower one may be better")]
    if chosen >= max(tried) * (1 - 1e-9):
        return [
            Suggestion(size, chosen * BEYOND, "the best rate is the highest tried there: a higher one may be better")
        ]
    return []


def _beyond(sizes: Sequence[int], best: int, largest: float) -> list[Suggestion]:
    if best == sizes[-1] and 2 * best <= largest:
        return [Suggestion(2 * best, None, "the largest batch size tried is the fastest: a larger one may be faster")]
    if best == sizes[0] and best > 1:
        return [
            Suggestion(best // 2, None, "the smallest batch size tried is the fastest: a smaller one may be faster")
        ]
    return []


def _between(sizes: Sequence[int], best: int) -> list[Suggestion]:
    at, found = list(sizes).index(best), []
    for low, high in ((at - 1, at), (at, at + 1)):
        if low >= 0 and high < len(sizes) and sizes[high] > GAP * sizes[low]:
            middle = round(math.sqrt(sizes[low] * sizes[high]))
            found.append(Suggestion(middle, None, f"nothing was tried between {sizes[low]} and {sizes[high]}"))
    return found


def _again(chain: Chain, could: Sequence[int]) -> list[Suggestion]:
    """Another seed where the seconds are least known, of the batch sizes that could be the best."""
    size = max(could, key=lambda one: _width(chain, one))
    others = len(could) - 1
    if others:
        why = f"{others + 1} batch sizes could be the fastest, and its seconds are the least known of them"
    else:
        why = "no other batch size could be the fastest: one seed more narrows its seconds"
    return [Suggestion(size, None, f"{why} ({chain.steps[size].runs} runs so far)")]


def _width(chain: Chain, size: int) -> float:
    interval = chain.optimum.times_s[size] if chain.optimum is not None else None
    if interval is None or not interval.known or interval.low <= 0:
        return math.inf
    return math.log(interval.high / interval.low)
