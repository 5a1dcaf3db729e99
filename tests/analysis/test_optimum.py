"""Steps times seconds per step, and where that is least."""

import math

import numpy as np
import pytest

from fastopt.analysis.optimum import affine_optimum, optimum, with_faster_part
from fastopt.analysis.resample import drawn_hits, draws, resampled_medians, shares, tuning_factors
from fastopt.errors import ConfigError
from fastopt.streak import Hit

SIZES = [2**k for k in range(11)]
S_MIN, B_CRIT, FIXED_S, RATE = 100.0, 64.0, 1e-4, 1e6


def tables(noise, resamples=500, seed=0):
    rng = np.random.default_rng(seed)
    steps, seconds = {}, {}
    for size in SIZES:
        factors = np.append(1.0, np.exp(rng.normal(0, noise, resamples)))
        steps[size] = S_MIN * (1 + B_CRIT / size) * factors
        seconds[size] = np.full(resamples + 1, FIXED_S + size / RATE)
    return steps, seconds


def test_the_measured_optimum_is_where_the_formula_says():
    found = optimum(*tables(0.001))
    best = affine_optimum(FIXED_S, RATE, B_CRIT)
    assert best == pytest.approx(80)
    assert found.best in (64, 128)
    assert found.shares[found.best] > 0.9
    assert found.times_s[64].median == pytest.approx(200 * (1e-4 + 64e-6))


def test_noise_widens_the_range():
    narrow, wide = optimum(*tables(0.001)), optimum(*tables(0.3))
    assert wide.range[0] <= narrow.range[0]
    assert wide.range[1] >= narrow.range[1]
    assert sum(wide.shares.values()) == pytest.approx(1)
    assert wide.range[0] < 64 < wide.range[1]
    assert wide.times_s[64].low < narrow.times_s[64].low


def test_batch_sizes_that_miss_are_never_best():
    steps, seconds = tables(0.01)
    for size in (64, 128):
        steps[size] = np.full_like(steps[size], np.inf)
    found = optimum(steps, seconds)
    assert found.best in (32, 256)
    assert found.times_s[64] == (np.inf, np.inf, np.inf)


def test_a_faster_part_is_amdahls_law():
    _, seconds = tables(0.0)
    share = {size: FIXED_S / (FIXED_S + size / RATE) for size in SIZES}
    faster = with_faster_part(seconds, share, 2.0)
    for size in SIZES:
        assert faster[size][0] == pytest.approx(FIXED_S / 2 + size / RATE)
    assert with_faster_part(seconds, share, 1.0)[1][0] == pytest.approx(seconds[1][0])


def test_bad_input():
    steps, seconds = tables(0.01)
    with pytest.raises(ConfigError, match="same batch sizes"):
        optimum(steps, {1: seconds[1]})
    with pytest.raises(ConfigError, match="reached the goal"):
        optimum({1: np.array([np.inf])}, {1: np.array([1.0])})
    with pytest.raises(ConfigError, match="more than 0"):
        with_faster_part(seconds, {}, 0.0)


MIDDLE = np.full(101, 0.5)


def hits(values):
    """Hits in the middle of two looks that are a factor of four apart; inf is a miss."""
    return {seed: Hit(50.0, math.inf) if math.isinf(n) else Hit(n / 2, n * 2) for seed, n in values.items()}


def test_seeds_are_drawn_for_all_batch_sizes_together():
    """Two batch sizes whose steps differ by a factor that is the same for each seed differ by it in each draw."""
    drawn = draws(6, 100)
    slow, fast = (hits({s: factor * (10.0 + s) for s in range(6)}) for factor in (2, 1))
    one, other = (resampled_medians(values, range(6), drawn, MIDDLE) for values in (slow, fast))
    assert one.shape == (101,)
    np.testing.assert_allclose(one, 2 * other)
    assert np.unique(one[1:]).size > 3


def test_half_of_the_runs_missing_is_a_missing_median():
    drawn = draws(3, 100)
    assert resampled_medians(hits({0: 3.0, 1: math.inf}), range(3), drawn, MIDDLE)[0] == math.inf
    assert resampled_medians(hits({0: 3.0, 1: 4.0, 2: math.inf}), range(3), drawn, MIDDLE)[0] == 4.0


def test_a_resample_without_any_of_the_runs_has_their_median():
    found = resampled_medians(hits({5: 7.0}), range(6), draws(6, 100), MIDDLE)
    assert set(found) == {7.0}


def test_where_between_two_looks_a_hit_lies_is_not_known():
    """Runs that all hit between the same two looks have an interval nonetheless: that of the looks."""
    same = dict.fromkeys(range(6), Hit(100.0, 121.0))
    found = resampled_medians(same, range(6), draws(6, 2_000), shares(2_000))
    assert found[0] == pytest.approx(110.0)
    low, high = np.quantile(found[1:], [0.025, 0.975])
    assert 100.0 < low < 101.5
    assert 119.5 < high < 121.0


def test_hits_of_a_resample_are_at_their_place_and_as_late_as_their_tuning():
    runs = {0: Hit(100.0, 400.0), 2: Hit(50.0, math.inf)}
    one, other = (Hit(*hit) for hit in drawn_hits(runs, range(3), np.arange(3), 0.5, 3.0))
    assert one.middle == pytest.approx(600.0)
    assert one.by / one.after < 1.01
    assert other == (150.0, math.inf)
    assert drawn_hits(runs, range(3), np.array([0]), 0.5, math.inf).tolist() == [[100.0, math.inf]]


def test_another_draw_of_trials_is_never_better_and_sometimes_the_second_best():
    factors = tuning_factors([100.0, 150.0, math.inf, 300.0], 2_000)
    assert factors[0] == 1.0
    assert set(factors) == {1.0, 1.5, 3.0, math.inf}
    assert (factors[1:] == 1.0).mean() == pytest.approx(1 - 0.75**4, abs=0.03)
    assert (factors == np.inf).mean() == pytest.approx(0.25**4, abs=0.01)


@pytest.mark.parametrize("costs", [[], [math.inf, math.inf]])
def test_where_nothing_was_found_by_tuning_there_is_no_factor(costs):
    assert set(tuning_factors(costs, 10)) == {1.0}
