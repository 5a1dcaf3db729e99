"""The intervals hold what they promise on noise of every shape, and say when a sample is too small."""

import math

import numpy as np
import pytest

from fastopt.bench.stats import median_interval, ratio_interval

DRAWS = 2_000

# Noise with its true median.
NOISE = {
    "normal": (lambda rng, size: rng.normal(0.0, 1.0, size), 0.0),
    "log-normal": (lambda rng, size: rng.lognormal(0.0, 1.0, size), 1.0),
    "exponential": (lambda rng, size: rng.exponential(1.0, size), math.log(2.0)),
    "cauchy": (lambda rng, size: rng.standard_cauchy(size), 0.0),
    "bimodal": (lambda rng, size: rng.normal(0.0, 0.1, size) + np.where(rng.random(size) < 0.3, 5.0, 1.0), None),
    "two values": (lambda rng, size: rng.integers(0, 2, size).astype(float), None),
}


def true_median(name):
    draw, known = NOISE[name]
    return np.median(draw(np.random.default_rng(99), 1_000_001)) if known is None else known


@pytest.mark.parametrize("n", [6, 7, 12, 25, 100])
@pytest.mark.parametrize("name", [name for name in NOISE if name != "two values"])
def test_the_interval_covers_the_median_at_least_as_often_as_it_says(name, n):
    samples = NOISE[name][0](np.random.default_rng(n), (DRAWS, n))
    median = true_median(name)
    covered = sum(low <= median <= high for _, low, high in map(median_interval, samples)) / DRAWS
    # four standard errors of a share of DRAWS: at equality, one seed in 30 000 would fail
    assert covered >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / DRAWS)


@pytest.mark.parametrize("n", [6, 13, 40])
def test_ties_make_the_interval_cover_more_often_not_less(n):
    samples = NOISE["two values"][0](np.random.default_rng(n), (DRAWS, n))
    covered = sum(low <= 0.5 <= high for _, low, high in map(median_interval, samples)) / DRAWS
    assert covered >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / DRAWS)


@pytest.mark.parametrize("n", [6, 7, 12, 25, 100, 1_001])
def test_the_bounds_are_the_narrowest_order_statistics_that_keep_the_promise(n):
    def coverage(rank):  # of the interval from the rank-th smallest to the rank-th largest, ranks from 1
        return 1.0 - 2.0 * sum(math.comb(n, k) for k in range(rank)) / 2**n

    interval = median_interval(np.random.default_rng(0).permutation(n) + 1.0)
    rank = int(interval.low)
    assert interval.high == n + 1 - rank
    assert coverage(rank) >= 0.95 > coverage(rank + 1)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_fewer_than_six_values_have_a_median_and_no_interval(n):
    interval = median_interval(np.arange(n, dtype=float))
    assert interval.median == (n - 1) / 2
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert not interval.known


def test_six_values_have_an_interval():
    assert median_interval([3.0, 1.0, 2.0, 6.0, 5.0, 4.0]) == (3.5, 1.0, 6.0)
    assert median_interval(range(6)).known


def test_no_value_is_nan_throughout():
    assert all(math.isnan(bound) for bound in median_interval([]))


def test_a_lower_level_gives_an_interval_within():
    values = np.random.default_rng(5).normal(size=30)
    wide, narrow = median_interval(values, 0.99), median_interval(values, 0.8)
    assert wide.low <= narrow.low <= narrow.median <= narrow.high <= wide.high


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
    assert covered / DRAWS >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / DRAWS)


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
