"""The chain of one optimizer, from what was seen at each batch size."""

import math

import numpy as np
import pytest

from fastopt.analysis.advice import suggestions
from fastopt.analysis.chain import Observed, chain
from fastopt.analysis.resample import resampled_times
from fastopt.streak import Hit

SIZES = (1, 4, 16, 64, 256)
S_MIN, B_CRIT, FIXED_S, ROW_S = 200.0, 32.0, 1e-4, 2e-6


def steps(size):
    return S_MIN * (1 + B_CRIT / size)


def observed(noise=0.05, seeds=6, rounds=7, sizes=SIZES, seed=0, update_share=0.25):
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, noise, seeds)
    found = {}
    for size in sizes:
        true = steps(size) * np.exp(shared + rng.normal(0, noise, seeds))
        hits = {one: Hit(value / 1.09, value * 1.09) for one, value in enumerate(true)}
        times = (FIXED_S + size * ROW_S) * np.exp(rng.normal(0, 0.01, rounds))
        searched = [steps(size) * factor for factor in (1.0, 1.1, 2.0, math.inf)]
        found[size] = Observed(hits, dict(enumerate(true)), searched, [[time_s] for time_s in times], update_share)
    return found


def test_what_was_put_in_is_found():
    found = chain(observed())
    assert found.law.curve.b_crit == pytest.approx(B_CRIT, rel=0.3)
    assert found.law.b_crit.low < B_CRIT < found.law.b_crit.high
    assert found.line.fixed_s == pytest.approx(FIXED_S, rel=0.05)
    for size in SIZES:
        assert found.steps[size].median.median == pytest.approx(steps(size), rel=0.15)
        assert found.steps[size].reached == found.steps[size].runs == 6
        assert found.optimum.times_s[size].median == pytest.approx(steps(size) * (FIXED_S + size * ROW_S), rel=0.15)
    assert found.optimum.best in (16, 64)
    assert found.affine_best.median == pytest.approx(math.sqrt(B_CRIT * FIXED_S / ROW_S), rel=0.25)
    assert found.missing == {}


def test_the_luck_of_tuning_widens_intervals_to_one_side():
    tuned = observed()
    given = {size: Observed(at.hits, at.ends, (), at.step_s) for size, at in tuned.items()}
    wide, narrow = chain(tuned).steps[16].median, chain(given).steps[16].median
    assert wide.median == narrow.median
    assert wide.high > narrow.high * 1.05
    assert wide.low == pytest.approx(narrow.low, rel=0.05)


def test_chains_of_the_same_seeds_are_resampled_alike():
    one, other = chain(observed(), salt=1), chain(observed(), salt=1)
    np.testing.assert_array_equal(one.seconds[16], other.seconds[16])
    salted = chain(observed(), salt=2)
    assert (one.seconds[16] != salted.seconds[16]).any()


def test_without_times_there_are_steps_and_without_steps_there_are_times():
    untimed = {size: Observed(at.hits, at.ends, at.searched) for size, at in observed().items()}
    found = chain(untimed)
    assert found.law is not None
    assert found.optimum is None
    assert {"line", "optimum"} <= found.missing.keys()
    bare = {size: Observed({}, {}, (), at.step_s) for size, at in observed().items()}
    found = chain(bare)
    assert found.law is None
    assert found.line is not None
    assert found.steps == {}
    assert "law" in found.missing


def test_a_faster_update_needs_its_share():
    assert chain(observed(update_share=math.nan)).faster is None
    faster = chain(observed(update_share=0.5)).faster
    assert faster.saved_at[16] == 0.25
    assert faster.saved == pytest.approx(0.25, abs=0.02)


def test_one_seed_has_no_interval_of_its_law():
    found = chain(observed(seeds=1))
    assert math.isnan(found.law.b_crit.low)
    assert math.isnan(found.law.p_value)


def rates(edge=None):
    return {size: [0.01, 0.1, 1.0] if size != edge else [0.1, 1.0] for size in SIZES}


def test_the_next_run_is_beyond_an_edge_where_there_is_one():
    found = chain(observed(noise=0.01))
    best = found.optimum.best
    told = suggestions(found, rates(edge=best), dict.fromkeys(SIZES, 0.1))
    assert (told[0].batch_size, told[0].learning_rate) == (best, pytest.approx(0.1 / 3))
    assert "lowest" in told[0].why


def test_the_next_batch_size_is_beyond_the_last_or_between_two():
    found = chain(observed(noise=0.001, sizes=(1, 4, 8)))
    told = suggestions(found, {}, {})
    assert told[0].batch_size == 16
    assert "largest batch size tried" in told[0].why
    found = chain(observed(noise=0.001))
    told = [one.batch_size for one in suggestions(found, rates(), dict.fromkeys(SIZES, 0.1))]
    assert told[-1] in SIZES
    assert set(told[:-1]) <= {8, 32, 128}


def test_with_one_candidate_left_another_seed_narrows_it():
    found = chain(observed(noise=0.001, sizes=(8, 16, 32, 64, 128), rounds=7))
    told = suggestions(found, {}, {})
    assert told[-1].batch_size in (32, 64)
    assert "6 runs so far" in told[-1].why


def test_nothing_is_suggested_where_nothing_is_known():
    assert suggestions(chain({8: Observed({}, {})}), {}, {}) == []


def test_times_of_one_process_are_no_independent_witnesses():
    rng = np.random.default_rng(2)
    luck = rng.normal(0.0, 0.1, 4)
    alike = [list(1e-4 * np.exp(one + rng.normal(0.0, 0.005, 3))) for one in luck]
    apart = [[time_s] for launch in alike for time_s in launch]
    bounds = [np.quantile(resampled_times(times, 4_000, 0)[1:], [0.025, 0.975]) for times in (alike, apart)]
    (low, high), (inner_low, inner_high) = bounds
    assert low <= inner_low < inner_high <= high
    assert high - low > 1.2 * (inner_high - inner_low)


def test_resampled_times_begin_with_the_median_and_are_of_what_was_measured():
    launches = [[1.0, 2.0, 3.0], [10.0], [4.0, 5.0]]
    found = resampled_times(launches, 500, 1)
    assert found.shape == (501,)
    assert found[0] == 3.5
    assert 1.0 <= found.min() < found.max() <= 10.0
    np.testing.assert_array_equal(found, resampled_times(launches, 500, 1))
    assert set(resampled_times([[7.0]], 50, 0)) == {7.0}
