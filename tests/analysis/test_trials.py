"""The best of m trials is what drawing m of them, many times, gives."""

import math
import random
import statistics

import pytest

from fastopt.analysis.trials import best_of
from fastopt.errors import ConfigError

COSTS = [120.0, 100.0, math.inf, 400.0, 150.0, math.inf, 90.0, 300.0]


@pytest.mark.parametrize("m", range(1, 9))
def test_it_is_what_many_draws_give(m):
    rng = random.Random(m)
    lowest = sorted(min(rng.sample(COSTS, m)) for _ in range(20_001))
    found = best_of(COSTS, m)
    for value, share in ((found.median, 0.5), (found.low, 0.25), (found.high, 0.75)):
        below = sum(one < value for one in lowest) / len(lowest)
        to = sum(one <= value for one in lowest) / len(lowest)
        assert below - 0.02 <= share <= to + 0.02


def test_all_trials_give_the_best_and_one_the_median():
    assert best_of(COSTS, 8) == (90.0, 90.0, 90.0)
    assert best_of([1.0, 2.0, 3.0], 1).median == statistics.median([1.0, 2.0, 3.0])
    assert best_of([math.inf, math.inf], 1).median == math.inf


@pytest.mark.parametrize("m", [0, 9])
def test_more_trials_than_there_are_cannot_be_drawn(m):
    with pytest.raises(ConfigError, match="1 to 8"):
        best_of(COSTS, m)
