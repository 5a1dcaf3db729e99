"""The search coarse to fine: its waves halve, follow the best rate, and have equal numbers of trials."""

import math

import pytest

from fastopt.study import waves

BOUNDS = (1e-3, 10.0)
RATE = waves.Axis("learning_rate", *BOUNDS)
BETA = waves.Axis("beta2", 0.9, 0.9999)
EPS = waves.Axis("eps", 1e-10, 1e-2)


def rates(n_trials, wave, best):
    found = waves.points([RATE], n_trials, wave, None if best is None else waves.Point(best), 0)
    assert all(point.options == () for point in found)
    return [point.learning_rate for point in found]


def logs(rates):
    return [math.log(rate) for rate in rates]


@pytest.mark.parametrize(("n_trials", "expected"), [(1, [1]), (2, [1, 1]), (8, [3, 3, 2]), (12, [4, 4, 4])])
def test_every_trial_belongs_to_a_wave(n_trials, expected):
    assert waves.sizes(n_trials) == expected


@pytest.mark.parametrize("n_trials", [1, 2, 3, 8, 12, 20])
def test_the_first_wave_lies_within_the_bounds_and_begins_at_their_middle(n_trials):
    found = rates(n_trials, 0, None)
    assert len(found) == waves.sizes(n_trials)[0]
    assert all(BOUNDS[0] <= rate <= BOUNDS[1] for rate in found)
    middle = sum(logs(BOUNDS)) / 2
    away = [abs(log - middle) for log in logs(found)]
    assert away == sorted(away)


@pytest.mark.parametrize("wave", [1, 2])
@pytest.mark.parametrize("best", [1e-3, 0.1, 10.0, 1e3])
def test_a_further_wave_spreads_around_the_best_rate_over_half_the_width_of_the_last(wave, best):
    found = rates(12, wave, best)
    half = math.log(BOUNDS[1] / BOUNDS[0]) * 0.5**wave / 2
    assert len(found) == 4
    assert all(abs(math.log(rate / best)) <= half for rate in found)
    quarters = {math.floor((math.log(rate / best) + half) / (half / 2)) for rate in found}
    assert quarters == {0, 1, 2, 3}  # spread evenly, one in each


def test_no_rate_is_tried_twice():
    every = [rate for wave in range(3) for rate in rates(12, wave, 0.1 if wave else None)]
    assert len(set(every)) == 12


def test_other_hyperparameters_are_tuned_on_scales_of_their_own_and_stay_within_their_bounds():
    axes = [RATE, BETA, EPS]
    first = waves.points(axes, 60, 0, None, 0)
    for name, low, high in (BETA, EPS):
        values = [dict(point.options)[name] for point in first]
        assert all(low <= value <= high for value in values)
        assert len(set(values)) == len(values)
    betas = sorted(dict(point.options)["beta2"] for point in first)
    assert betas[len(betas) // 2] == pytest.approx(1 - math.sqrt(0.1 * 1e-4), abs=3e-3)  # the middle of log(1 - beta)
    best = waves.Point(100.0, (("beta2", 0.9999), ("eps", 1e-2)))
    for point in waves.points(axes, 60, 1, best, 0):
        options = dict(point.options)
        assert 0.99 < options["beta2"] <= 0.9999
        assert 1e-6 <= options["eps"] <= 1e-2
        assert 1.0 <= point.learning_rate <= 1e4


def test_points_rank_by_steps_then_by_how_near_a_miss_came_then_the_lower_rate():
    found = {3.0: (math.inf, 0.5), 0.1: (100.0, 0.2), 1.0: (math.inf, 0.4), 0.01: (100.0, 0.2), 9.0: (math.inf, 1e9)}
    ranked = waves.ranked({waves.Point(rate): result for rate, result in found.items()})
    assert [point.learning_rate for point in ranked] == [0.01, 0.1, 1.0, 3.0, 9.0]
