"""The learning-rate search spreads its trials evenly on a log scale, and chooses the lowest finite loss."""

import math

import numpy as np
import pytest

from fastopt.study.search import choose, trial_rates

BOUNDS = (1e-4, 10.0)


def places(rates, bounds=BOUNDS):
    """Where the rates lie between the bounds on a log scale, from 0 to 1."""
    low, high = np.log(bounds)
    return (np.log(rates) - low) / (high - low)


def strata(points):
    """How many of n points lie in each n-th of [0, 1]."""
    return np.bincount((np.asarray(points) * len(points)).astype(int), minlength=len(points))


@pytest.mark.parametrize("n_trials", [1, 2, 3, 8, 20, 64])
@pytest.mark.parametrize("bounds", [BOUNDS, (1e-300, 1e300), (0.1, 0.1000001)])
def test_rates_are_distinct_ascending_and_within_their_bounds(bounds, n_trials):
    rates = trial_rates(bounds, n_trials, seed=6)
    assert len(rates) == n_trials
    assert all(type(rate) is float for rate in rates)
    assert rates == sorted(set(rates))
    assert bounds[0] <= rates[0]
    assert rates[-1] <= bounds[1]


def test_the_same_seed_gives_the_same_rates_and_another_seed_others():
    assert trial_rates(BOUNDS, 8, 6) == trial_rates(BOUNDS, 8, 6)
    assert not set(trial_rates(BOUNDS, 8, 6)) & set(trial_rates(BOUNDS, 8, 7))


def test_a_search_depends_on_nothing_but_its_arguments():
    first = trial_rates(BOUNDS, 8, 6)
    np.random.default_rng().random(10)
    trial_rates(BOUNDS, 5, 1)
    assert trial_rates(BOUNDS, 8, 6) == first


@pytest.mark.parametrize("n_trials", [2, 4, 8, 16, 32])
@pytest.mark.parametrize("seed", range(5))
def test_every_nth_of_the_log_scale_gets_one_of_n_trials(n_trials, seed):
    assert strata(places(trial_rates(BOUNDS, n_trials, seed))).tolist() == [1] * n_trials


@pytest.mark.parametrize("seed", range(5))
def test_no_gap_is_large_where_independent_draws_leave_one(seed):
    n_trials, largest = 16, 2 / 16

    def gap(points):
        return np.diff([0.0, *sorted(points), 1.0]).max()

    assert gap(places(trial_rates(BOUNDS, n_trials, seed))) <= largest
    assert gap(np.random.default_rng(seed).random(n_trials)) > largest


def test_rates_are_uniform_on_the_log_scale():
    points = places([rate for seed in range(200) for rate in trial_rates(BOUNDS, 6, seed)])
    assert points.mean() == pytest.approx(0.5, abs=0.01)
    assert points.std() == pytest.approx(1 / math.sqrt(12), abs=0.01)
    # of each search too, the middle of the range in logarithms, not in rates, parts it in halves
    assert np.median(points) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("losses", "rate"),
    [
        ({0.1: 2.0, 0.2: 1.0, 0.3: 3.0}, 0.2),
        ({0.1: None, 0.2: 5.0, 0.3: None}, 0.2),
        ({0.1: math.nan, 0.2: 5.0, 0.3: -math.inf}, 0.2),
        ({0.1: math.inf, 0.2: 1e300}, 0.2),
        ({0.2: 1.0, 0.1: 1.0}, 0.1),
        ({0.1: 0.0, 0.2: 0.5}, 0.1),
    ],
)
def test_the_lowest_finite_loss_wins_and_of_equals_the_lower_rate(losses, rate):
    assert choose(losses) == rate
    assert choose(dict(reversed(losses.items()))) == rate


@pytest.mark.parametrize("losses", [{}, {0.1: None}, {0.1: math.nan, 0.2: math.inf, 0.3: None}])
def test_nothing_is_chosen_where_every_trial_diverged(losses):
    assert choose(losses) is None
