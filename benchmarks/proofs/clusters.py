"""How often are identical contenders called different, and true differences found, when rounds come in launches?

Times of candidate, baseline and twin are simulated: the log of each has a launch effect (sd s_b / sqrt 2) and noise per
round (sd s_w / sqrt 2), so that a ratio has s_b and s_w; the baseline is in both ratios of a pair, as in a measurement.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastopt.bench.verdicts import Judgement, Pair, Verdict, judge

WRONG_AT_MOST = 0.02


@dataclass(frozen=True)
class Setting:
    """One simulated kind of measurement.

    launch_to_round  s_b / s_w
    difference       true relative difference of all candidates
    noise            s_w, the sd of the log-ratio of a round
    candidate_scale  how much farther candidates scatter than baselines and twins
    uneven           sd of the log of a scale that each comparison has for itself
    by_launch        False counts every round as a launch of its own, as a rule that knows of no launches would
    """

    launch_to_round: float
    difference: float = 0.0
    noise: float = 0.02
    pairs: int = 100
    launches: int = 3
    rounds: int = 6
    candidate_scale: float = 1.0
    uneven: float = 0.0
    by_launch: bool = True


def settings() -> Iterator[Setting]:
    """Yield every setting: counting rounds, and ours; one pair; more launches; little noise; broken premises."""
    ratios, differences = (0.0, 0.5, 1.0, 2.0), (0.0, 0.05, 0.10)
    for by_launch in (False, True):
        yield from (Setting(r, d, by_launch=by_launch) for d in differences for r in ratios)
    yield from (Setting(r, pairs=1, by_launch=False) for r in ratios)
    for launches, rounds in ((5, 4), (9, 2), (18, 1)):
        yield from (Setting(r, d, launches=launches, rounds=rounds) for d in differences for r in (1.0, 2.0))
    for launches, rounds in ((3, 6), (5, 4)):
        quiet = {"noise": 0.005, "launches": launches, "rounds": rounds}
        yield from (Setting(r, d, **quiet) for d in (0.0, 0.03) for r in (0.5, 1.0))
    for pairs in (1, 10):
        yield from (Setting(r, d, pairs=pairs) for d in differences for r in (0.0, 1.0))
    for scale in (2.0, 3.0):
        yield from (Setting(1.0, candidate_scale=scale, pairs=pairs) for pairs in (1, 100))
    yield from (Setting(1.0, uneven=1.0, pairs=pairs) for pairs in (1, 100))


def rows(comparisons: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield one row for each setting, over at least so many comparisons, with the shares of the verdicts.

    wrong    called faster or slower without a difference or on its wrong side, or equal within a floor that it exceeds
    covered  of the 95 % intervals of the ratio, the share that holds the true one
    """
    for number, setting in enumerate(settings()):
        rng = np.random.default_rng([seed, number])
        found = [each for _ in range(math.ceil(comparisons / setting.pairs)) for each in judge(_pairs(setting, rng))]
        yield asdict(setting) | {"comparisons": len(found)} | _shares(found, setting.difference)


def _shares(found: list[Judgement], difference: float) -> dict[str, float | None]:
    counts = {verdict: sum(each.verdict is verdict for each in found) / len(found) for verdict in Verdict}
    slower, faster = counts[Verdict.SLOWER], counts[Verdict.FASTER]
    wrongly_equal = sum(each.verdict is Verdict.EQUAL and each.floor < difference for each in found) / len(found)
    known = [each.ratio for each in found if each.ratio.known]
    return {
        "wrong": wrongly_equal + (faster if difference else slower + faster),
        "found": slower if difference else None,
        "equal": counts[Verdict.EQUAL],
        "undecided": counts[Verdict.UNDECIDED],
        "covered": sum(ratio.low <= 1.0 + difference <= ratio.high for ratio in known) / len(known) if known else None,
        "smallest_visible": float(np.median([each.smallest_visible for each in found])),
    }


def _pairs(setting: Setting, rng: np.random.Generator) -> list[Pair]:
    """One measurement: its pairs, each with a twin of its own."""
    scale = np.exp(rng.normal(0.0, setting.uneven, (setting.pairs, 1, 1)))
    candidate, baseline, twin = (_logs(setting, rng) * scale for _ in range(3))
    candidate = candidate * setting.candidate_scale + math.log1p(setting.difference)
    ratios, twins = np.exp(candidate - baseline), np.exp(twin - baseline)
    if not setting.by_launch:
        shape = setting.pairs, setting.launches * setting.rounds, 1
        ratios, twins = ratios.reshape(shape), twins.reshape(shape)
    return [Pair(one.tolist(), other.tolist()) for one, other in zip(ratios, twins, strict=True)]


def _logs(setting: Setting, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    shape = setting.pairs, setting.launches, setting.rounds
    sd = setting.noise / math.sqrt(2.0)
    launch = rng.normal(0.0, sd * setting.launch_to_round, (*shape[:2], 1))
    return launch + rng.normal(0.0, sd, shape)
