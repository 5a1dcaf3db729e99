"""Intervals hold what they promise on noise of every shape, or say that they cannot; outliers are named and kept."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastopt.bench.stats import (
    Place,
    classify,
    effective_size,
    median_interval,
    percentiles,
    ratio_interval,
    timing_interval,
)

DRAWS = 2_000
# Four standard errors of a share of DRAWS: where the promise is kept exactly, one seed in 16 000 would fail.
SLACK = 4 * math.sqrt(0.95 * 0.05 / DRAWS)

# Noise with its true median.
NOISE = {
    "normal": (lambda rng, shape: rng.normal(0.0, 1.0, shape), 0.0),
    "log-normal": (lambda rng, shape: rng.lognormal(0.0, 1.0, shape), 1.0),
    "exponential": (lambda rng, shape: rng.exponential(1.0, shape), math.log(2.0)),
    "cauchy": (lambda rng, shape: rng.standard_cauchy(shape), 0.0),
    "bimodal 50/50": (lambda rng, shape: rng.normal(0.0, 0.1, shape) + np.where(rng.random(shape) < 0.5, 1, 2), 1.5),
    "bimodal 70/30": (lambda rng, shape: rng.normal(0.0, 0.1, shape) + np.where(rng.random(shape) < 0.3, 5, 1), None),
}


def true_median(name):
    draw, known = NOISE[name]
    return np.median(draw(np.random.default_rng(99), 1_000_001)) if known is None else known


def in_order(rng, shape, correlation):
    """Rows of a stationary first-order autoregression."""
    values = rng.normal(size=shape)
    for place in range(1, shape[1]):
        values[:, place] = correlation * values[:, place - 1] + math.sqrt(1 - correlation**2) * values[:, place]
    return values


def outcome(interval, samples, median):
    """Shares of the samples with an interval, and with one that misses the median."""
    found = [interval(sample) for sample in samples]
    missed = sum(each.known and not each.low <= median <= each.high for each in found)
    return sum(each.known for each in found) / len(found), missed / len(found)


@pytest.mark.parametrize("n", [6, 7, 12, 25, 100])
@pytest.mark.parametrize("name", NOISE)
def test_the_interval_of_independent_values_covers_as_often_as_it_says(name, n):
    known, missed = outcome(median_interval, NOISE[name][0](np.random.default_rng(n), (DRAWS, n)), true_median(name))
    assert known == 1.0
    assert missed <= 0.05 + SLACK


@pytest.mark.parametrize("n", [6, 7, 12, 25, 100])
@pytest.mark.parametrize("name", ["normal", "log-normal", "exponential"])
def test_interpolation_keeps_the_interval_from_covering_more_often_than_it_says(name, n):
    # whole order statistics cover 97, 98, 96, 96 and 96 % here
    _, missed = outcome(median_interval, NOISE[name][0](np.random.default_rng(n), (DRAWS, n)), true_median(name))
    assert missed >= 0.045 - SLACK


@pytest.mark.parametrize("n", [6, 13, 40])
def test_ties_make_the_interval_cover_more_often_not_less(n):
    samples = np.round(np.random.default_rng(n).normal(size=(DRAWS, n)))  # a coarse clock
    assert outcome(median_interval, samples, 0.0)[1] <= 0.05


@pytest.mark.parametrize("n", [6, 7, 12, 25, 100, 1_001, 3_000])
def test_the_bounds_lie_between_the_order_statistics_that_keep_the_promise_and_those_that_do_not(n):
    def coverage(rank):  # of the interval from the rank-th smallest to the rank-th largest, ranks from 1
        return 1.0 - 2 * sum(math.comb(n, k) for k in range(rank)) / 2**n

    interval = median_interval(np.random.default_rng(0).permutation(n) + 1.0)
    rank = math.floor(interval.low)
    assert interval.low + interval.high == pytest.approx(n + 1)
    assert coverage(rank) >= 0.95 > coverage(rank + 1)


def test_bounds_are_interpolated_as_published():
    # Hettmansperger & Sheather 1986: n = 6, rank 1, coverages 31/32 and 25/32, I = 1/10, weight 5 I / (1 + 4 I) = 5/14
    low, high = 1.0 + 5 / 14, 6.0 - 5 / 14
    assert median_interval([3.0, 1.0, 2.0, 6.0, 5.0, 4.0]) == pytest.approx((3.5, low, high))


def test_a_bound_does_not_step_into_the_gap_between_two_groups():
    assert median_interval([1.0, 2.0, 2.1, 2.1, 2.2, 3.0]).low > 1.0
    assert median_interval([1.0, 2.0, 2.0, 2.0, 2.0, 2.0]).low == 1.0


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("interval", [median_interval, timing_interval])
def test_fewer_than_six_values_have_a_median_and_no_interval(interval, n):
    found = interval(np.arange(n, dtype=float))
    assert found.median == (n - 1) / 2
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert not found.known


@pytest.mark.parametrize("interval", [median_interval, timing_interval])
def test_no_value_is_nan_throughout(interval):
    assert all(math.isnan(bound) for bound in interval([]))


def test_runs_without_a_result_rank_as_infinite_and_leave_finite_bounds_alone():
    found = median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, math.inf])
    assert found.low == pytest.approx(median_interval(range(1, 9)).low)
    assert found.high == math.inf


VALUES = st.lists(st.integers(-1_000, 1_000).map(float), min_size=6, max_size=40)


@given(VALUES, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_the_order_of_independent_values_does_not_matter(values, chance):
    shuffled = list(values)
    chance.shuffle(shuffled)
    assert median_interval(shuffled) == median_interval(values)


@given(VALUES, st.sampled_from([0.5, 4.0, 1024.0]), st.integers(-100, 100))
@settings(max_examples=50, deadline=None)
def test_intervals_follow_scale_and_shift(values, scale, shift):
    moved = [scale * value + shift for value in values]
    for interval in (median_interval, timing_interval):
        expected = [scale * bound + shift for bound in interval(values)]
        assert interval(moved) == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


@given(VALUES)
@settings(max_examples=50, deadline=None)
def test_turning_values_round_turns_the_interval_round(values):
    median, low, high = median_interval(values)
    assert median_interval([-value for value in values]) == pytest.approx((-median, -high, -low))


@given(VALUES, st.lists(st.floats(0.05, 0.9687), min_size=2, max_size=6))
@settings(max_examples=50, deadline=None)
def test_a_lower_level_gives_an_interval_within(values, levels):
    wider = [median_interval(values, level) for level in sorted(levels)]
    for (_, low, high), (_, lower, higher) in itertools.pairwise(wider):
        assert lower <= low <= high <= higher


@given(VALUES)
@settings(max_examples=50, deadline=None)
def test_an_interval_for_timings_is_never_narrower_than_that_for_independent_values(values):
    plain, timed = median_interval(values), timing_interval(values)
    assert timed.median == plain.median
    assert not timed.known or (timed.low <= plain.low and timed.high >= plain.high)


@pytest.mark.parametrize("name", ["normal", "log-normal", "bimodal 50/50", "bimodal 70/30"])
@pytest.mark.parametrize("n", [18, 50])
def test_independent_timings_are_covered_and_rarely_refused(name, n):
    samples = NOISE[name][0](np.random.default_rng(n), (DRAWS, n))
    known, missed = outcome(timing_interval, samples, true_median(name))
    assert missed <= 0.05 + SLACK
    assert known >= 0.93


@pytest.mark.parametrize("n", [12, 20, 50])
@pytest.mark.parametrize("correlation", [0.3, 0.6, 0.9])
def test_dependent_timings_are_covered_or_refused(correlation, n):
    samples = in_order(np.random.default_rng(n), (DRAWS, n), correlation)
    assert outcome(timing_interval, samples, 0.0)[1] <= 0.07
    # what it guards against
    assert outcome(median_interval, samples[:500], 0.0)[1] > 0.07


def test_the_effective_size_falls_with_the_correlation_and_is_all_values_where_neighbours_differ():
    rng = np.random.default_rng(4)
    sizes = [np.median([effective_size(row) for row in in_order(rng, (200, 50), c)]) for c in (0.0, 0.3, 0.6, 0.9)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 30 > 6 > sizes[-1]
    assert effective_size([0.0, 1.0] * 10) == 20
    assert effective_size([1.0] * 8) == 8


def test_a_drift_is_refused_and_so_are_two_levels_one_after_the_other():
    assert not timing_interval(np.arange(30.0)).known
    assert not timing_interval(np.repeat([1.0, 2.0], 9) + np.random.default_rng(3).normal(0, 0.1, 18)).known


def test_what_disturbs_both_of_a_pair_leaves_their_ratio_alone():
    disturbance = np.random.default_rng(1).lognormal(0.0, 2.0, 20)
    assert ratio_interval(3.0 * disturbance, disturbance) == pytest.approx((3.0, 3.0, 3.0), rel=1e-12)


@pytest.mark.parametrize("n", [6, 12, 25])
def test_the_interval_of_a_ratio_covers_the_true_ratio(n):
    rng = np.random.default_rng(n)
    shared, left, right = (rng.lognormal(0.0, scale, (DRAWS, n)) for scale in (1.0, 0.1, 0.1))
    covered = 0
    for i in range(DRAWS):
        _, low, high = ratio_interval(1.05 * shared[i] * left[i], shared[i] * right[i])
        covered += low <= 1.05 <= high
    assert covered / DRAWS >= 0.95 - SLACK


def test_swapping_the_pair_inverts_the_ratio():
    top, bottom = np.random.default_rng(2).lognormal(size=(2, 11))
    median, low, high = ratio_interval(top, bottom)
    assert ratio_interval(bottom, top) == pytest.approx((1 / median, 1 / high, 1 / low))


def test_samples_that_are_no_pairs_are_refused():
    with pytest.raises(ValueError, match="equal lengths, got 2 and 3"):
        ratio_interval([1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_times_that_are_not_positive_are_refused(bad):
    with pytest.raises(ValueError, match="positive"):
        ratio_interval([1.0, bad], [1.0, 1.0])


def test_percentiles_are_those_of_numpy():
    assert percentiles(range(101)) == (5.0, 95.0)
    assert all(math.isnan(value) for value in percentiles([]))


def test_outliers_are_named_by_the_fence_they_pass():
    # quartiles 10 and 20: mild beyond -5 and 35, severe beyond -20 and 50
    inside = [10.0] * 10 + [20.0] * 10
    places = {-20.1: Place.LOW_SEVERE, -20.0: Place.LOW_MILD, -5.1: Place.LOW_MILD, -5.0: Place.INSIDE}
    places |= {35.0: Place.INSIDE, 35.1: Place.HIGH_MILD, 50.0: Place.HIGH_MILD, 50.1: Place.HIGH_SEVERE}
    for value, place in places.items():
        assert classify([*inside, value, 15.0, 15.0, 15.0])[20] is place


def test_no_value_is_dropped_and_equal_ones_have_no_outlier():
    assert classify([]) == []
    assert classify([2.0] * 5) == [Place.INSIDE] * 5
    places = classify([1, 1.1, 1.2, 9, 1.3, 1.4])
    assert [place is Place.INSIDE for place in places] == [True, True, True, False, True, True]
