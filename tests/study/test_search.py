"""The search for a learning rate spreads its trials on a log scale, goes on beyond an edge, takes the best median."""

import math

import numpy as np
import pytest

from fastopt.study.search import beyond, choose, extension_trials, ranked, trial_rates

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


LINE = {0.1: 3.0, 0.2: 2.0, 0.4: 1.0}  # falls to the right, by factors of two
INF = math.inf


def mirrored(losses):
    """The same valley with high rates for low ones."""
    return {1 / rate: loss for rate, loss in losses.items()}


@pytest.mark.parametrize(
    "losses",
    [
        pytest.param({0.1: 3.0, 0.2: 1.0, 0.4: 2.0}, id="the best is inside"),
        pytest.param({0.1: 3.0, 0.2: 2.0, 0.4: 1.0, 0.8: INF}, id="beyond the best is one that diverged"),
        pytest.param({0.1: 3.0, 0.2: 1.0, 0.4: 1.0}, id="the loss falls no longer"),
        pytest.param({0.1: 1.0}, id="one rate has no neighbour"),
        pytest.param({0.1: INF, 0.2: INF}, id="all diverged"),
        pytest.param({}, id="none was tried"),
    ],
)
def test_a_search_goes_on_only_where_the_loss_falls_towards_an_edge(losses):
    assert beyond(losses, (0.1, 0.8), 3) == []
    if losses.keys() != {0.1, 0.2, 0.4} or losses[0.4] != losses[0.2]:  # of equals the lower rate is the best
        assert beyond(mirrored(losses), (1.25, 10.0), 3) == []


def test_an_extension_goes_on_from_the_edge_by_the_mean_distance_of_the_first_trials():
    assert beyond(LINE, (0.1, 0.8), 3) == pytest.approx([0.8])
    assert beyond(LINE, (0.1, 1.6), 4) == pytest.approx([0.8])
    assert beyond(LINE, (0.1, 102.4), 5) == pytest.approx([1.6, 6.4])
    assert beyond(mirrored(LINE), (1.25, 10.0), 3) == pytest.approx([1.25])


def test_an_extension_towards_the_only_rate_that_did_not_diverge_is_one():
    assert beyond({0.1: 2.0, 0.2: INF, 0.4: INF}, (0.1, 0.8), 3) == pytest.approx([0.05])


@pytest.mark.parametrize(("n_trials", "more"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_an_extension_is_a_quarter_of_the_first_trials(n_trials, more):
    assert extension_trials(n_trials) == more
    if n_trials:
        assert len(beyond(LINE, (0.1, 0.8), n_trials)) == more


def test_rates_are_ranked_by_loss_and_of_equals_the_lower_comes_first():
    losses = {0.4: 1.0, 0.1: INF, 0.3: 0.5, 0.2: 1.0, 0.5: math.nan}
    assert ranked(losses) == [0.3, 0.2, 0.4]
    assert ranked(dict(reversed(losses.items()))) == [0.3, 0.2, 0.4]


@pytest.mark.parametrize(
    ("losses", "rate"),
    [
        pytest.param({0.1: [1.0, 5.0, 5.0], 0.2: [2.0, 2.0, 9.0]}, 0.2, id="the lowest median"),
        pytest.param({0.1: [1.0, INF, INF], 0.2: [7.0, 8.0, 9.0]}, 0.2, id="a diverged run is an infinite loss"),
        pytest.param({0.1: [1.0, 1.5, INF], 0.2: [7.0, 8.0, 9.0]}, 0.1, id="one diverged run moves no median"),
        pytest.param({0.1: [1.0, INF, INF, INF], 0.2: [3.0, 4.0, INF, INF]}, 0.2, id="fewer diverged runs"),
        pytest.param({0.2: [1.0, 2.0, 3.0], 0.1: [2.0, 2.0, 2.0]}, 0.1, id="of equals the lower rate"),
        pytest.param({0.1: [4.0]}, 0.1, id="the only one"),
        pytest.param({}, None, id="none"),
    ],
)
def test_the_rate_with_the_lowest_median_loss_is_chosen(losses, rate):
    assert choose(losses) == rate
    assert choose(dict(reversed(losses.items()))) == rate
