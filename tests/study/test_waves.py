"""The search coarse to fine: its waves halve, follow the best rate, and have equal numbers of trials."""

import math

import pytest

from fastopt.study import waves

BOUNDS = (1e-3, 10.0)


def logs(rates):
    return [math.log(rate) for rate in rates]


@pytest.mark.parametrize(("n_trials", "expected"), [(1, [1]), (2, [1, 1]), (8, [3, 3, 2]), (12, [4, 4, 4])])
def test_every_trial_belongs_to_a_wave(n_trials, expected):
    assert waves.sizes(n_trials) == expected


@pytest.mark.parametrize("n_trials", [1, 2, 3, 8, 12, 20])
def test_the_first_wave_lies_within_the_bounds_and_begins_at_their_middle(n_trials):
    rates = waves.rates(BOUNDS, n_trials, 0, None, 0)
    assert len(rates) == waves.sizes(n_trials)[0]
    assert all(BOUNDS[0] <= rate <= BOUNDS[1] for rate in rates)
    middle = sum(logs(BOUNDS)) / 2
    away = [abs(log - middle) for log in logs(rates)]
    assert away == sorted(away)


@pytest.mark.parametrize("wave", [1, 2])
@pytest.mark.parametrize("best", [1e-3, 0.1, 10.0, 1e3])
def test_a_further_wave_spreads_around_the_best_rate_over_half_the_width_of_the_last(wave, best):
    rates = waves.rates(BOUNDS, 12, wave, best, 0)
    half = math.log(BOUNDS[1] / BOUNDS[0]) * 0.5**wave / 2
    assert len(rates) == 4
    assert all(abs(math.log(rate / best)) <= half for rate in rates)
    quarters = {math.floor((math.log(rate / best) + half) / (half / 2)) for rate in rates}
    assert quarters == {0, 1, 2, 3}  # spread evenly, one in each


def test_no_rate_is_tried_twice():
    every = [rate for wave in range(3) for rate in waves.rates(BOUNDS, 12, wave, 0.1 if wave else None, 0)]
    assert len(set(every)) == 12


def test_rates_rank_by_steps_then_by_how_near_a_miss_came_then_the_lower_one():
    found = {
        3.0: (math.inf, 0.5),
        0.1: (100.0, 0.2),
        1.0: (math.inf, 0.4),
        0.01: (100.0, 0.2),
        9.0: (math.inf, math.inf),
    }
    assert waves.ranked(found) == [0.01, 0.1, 1.0, 3.0, 9.0]
