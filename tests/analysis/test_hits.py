"""Hits are known up to the looks around them, and misses cost what they took."""

import math

import numpy as np
import pytest

from fastopt.analysis.hits import expected_running_time, find_hit
from fastopt.errors import ConfigError
from fastopt.streak import Hit

STEPS = [1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    ("met", "in_a_row", "hit"),
    [
        ([False, False, True, True, True], 2, (2, 4)),
        ([False, True, False, True, True], 2, (4, 8)),  # one lucky look is no hit
        ([False, True, False, True, True], 1, (1, 2)),
        ([True, True, False, False, False], 2, (0, 1)),
        ([False, False, False, False, True], 2, (8, math.inf)),  # it may have been there after 8
        ([False] * 5, 1, (16, math.inf)),
    ],
)
def test_a_hit_lies_between_two_looks(met, in_a_row, hit):
    assert find_hit(STEPS, met, in_a_row) == hit


def test_middles():
    assert Hit(4, 16).middle == 8
    assert Hit(0, 16).middle == 16
    assert Hit(16, math.inf).middle == math.inf
    assert Hit(4, 16).reached
    assert not Hit(4, math.inf).reached


@pytest.mark.parametrize(("steps", "met"), [([], []), ([1, 2], [True]), ([2, 1], [True, True]), ([1, 1], [True, True])])
def test_looks_out_of_order_are_refused(steps, met):
    with pytest.raises(ConfigError):
        find_hit(steps, met)


def test_expected_running_time_counts_what_misses_cost():
    found = expected_running_time([10, 20, 30, 40], [True, False, True, False])
    assert found.median == 50
    assert found.low < 50 < found.high
    assert expected_running_time([10, 20], [False, False]).median == math.inf


def test_without_misses_it_is_the_mean():
    costs = np.random.default_rng(0).lognormal(size=40)
    found = expected_running_time(list(costs), [True] * 40)
    assert found.median == pytest.approx(costs.mean())


def test_its_interval_covers_the_cost_of_repeating_runs():
    rng, covered, truth = np.random.default_rng(1), 0, 100 / 0.6
    for draw in range(200):
        hit = rng.random(30) < 0.6
        found = expected_running_time([100.0] * 30, list(hit), seed=draw)
        covered += found.low <= truth <= found.high
    assert covered >= 0.88 * 200


def test_few_hits_have_no_upper_end():
    assert expected_running_time([1.0] * 6, [True] + [False] * 5).high == math.inf
