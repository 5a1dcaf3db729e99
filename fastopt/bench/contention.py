"""When a timed block was not alone on the machine: one rule, for the terminal, the page and the gate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fastopt.bench.pace import CROWDED
from fastopt.measurements import Sample

# Others may take so much of a block's processor time before it is noisy.
MOST_TAKEN = 0.1
# A row is noisy if more than this share of its samples are.
MOST_NOISY = 0.2
# The kernel counts the processors' time in ticks of 10 ms: less than two of them taken is nothing that it can tell.
TELLS_FROM_S = 0.02


@dataclass(frozen=True)
class Contention:
    """What was seen beside some samples.

    samples, noisy, unwarmed   how many there are, how many were noisy, and how many of these never warmed up
    crowded                    how many of them were timed while their processors shared a core
    retaken                    how many blocks were taken again since they came to share one meanwhile
    taken                      median and largest share of a block's processor time that others and the hypervisor took
    switches                   most involuntary context switches in one block
    steal_s                    processor seconds that the hypervisor took, of all blocks; nan where not readable
    mhz, load                  lowest and highest; nan where not readable
    """

    samples: int
    noisy: int
    unwarmed: int
    crowded: int
    retaken: int
    taken: tuple[float, float]
    switches: int
    steal_s: float
    mhz: tuple[float, float]
    load: tuple[float, float]

    @property
    def disturbed(self) -> bool:
        """Whether so many samples were noisy that the row should be marked."""
        return self.noisy > MOST_NOISY * self.samples


def noisy(sample: Sample, threads: int) -> bool:
    """Return whether `sample`, of a case on `threads` threads, was disturbed or had not warmed up.

    Disturbed: its processors shared a core (`fastopt.bench.pace`), or other processes and the hypervisor took more than
    a tenth of the block's processor time, threads times its length, and more than the kernel's clock can miss. What
    could not be read counts as nothing taken.
    """
    if sample.warm is False or sample.crowding >= CROWDED:
        return True
    taken_s = _taken_s(sample)
    return taken_s > TELLS_FROM_S and taken_s > MOST_TAKEN * _processor_s(sample, threads)


def contention(samples: Iterable[Sample], threads: int) -> Contention:
    """Return what was seen beside `samples`, all of cases on `threads` threads."""
    return together([(sample, threads) for sample in samples])


def together(samples: Sequence[tuple[Sample, int]]) -> Contention:
    """Return what was seen beside samples of several cases, each with its number of threads."""
    taken = [_taken_s(sample) / _processor_s(sample, threads) for sample, threads in samples]
    steal_s = [sample.steal_s for sample, _ in samples if math.isfinite(sample.steal_s)]
    return Contention(
        samples=len(samples),
        noisy=sum(noisy(sample, threads) for sample, threads in samples),
        unwarmed=sum(sample.warm is False for sample, _ in samples),
        crowded=sum(sample.crowding >= CROWDED for sample, _ in samples),
        retaken=sum(sample.retaken for sample, _ in samples),
        taken=(float(np.median(taken)), max(taken)) if taken else (math.nan, math.nan),
        switches=max((sample.switches for sample, _ in samples), default=0),
        steal_s=sum(steal_s) if steal_s else math.nan,
        mhz=_range(sample.mhz for sample, _ in samples),
        load=_range(sample.load for sample, _ in samples),
    )


def _taken_s(sample: Sample) -> float:
    return sum(seconds for seconds in (sample.others_s, sample.steal_s) if math.isfinite(seconds))


def _processor_s(sample: Sample, threads: int) -> float:
    return max(sample.unit_s * sample.repeats * threads, 1e-12)


def _range(values: Iterable[float]) -> tuple[float, float]:
    known = [value for value in values if math.isfinite(value)]
    return (min(known), max(known)) if known else (math.nan, math.nan)
