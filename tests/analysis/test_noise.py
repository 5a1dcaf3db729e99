"""The noise scale of gradients whose mean and covariance are known."""

import numpy as np
import pytest

from fastopt.analysis.noise import Norms, noise_scale
from fastopt.errors import ConfigError

DIMENSIONS, DEVIATION = 50, 3.0
GRADIENT = np.full(DIMENSIONS, 0.2)
TRUTH = DIMENSIONS * DEVIATION**2 / float(GRADIENT @ GRADIENT)


def runs(n_runs=6, looks=40, small=8, chunks=4, seed=0):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_runs):
        run = []
        for _ in range(looks):
            parts = GRADIENT + rng.normal(size=(chunks, DIMENSIONS)) * DEVIATION / np.sqrt(small)
            whole = parts.mean(axis=0)
            run.append(Norms(small, small * chunks, float((parts**2).sum(axis=1).mean()), float(whole @ whole)))
        found.append(run)
    return found


def test_it_is_found_without_bias():
    found = noise_scale(runs(n_runs=12, looks=400))
    assert found.rows.median == pytest.approx(TRUTH, rel=0.05)
    assert found.square == pytest.approx(float(GRADIENT @ GRADIENT), rel=0.05)
    assert found.trace == pytest.approx(DIMENSIONS * DEVIATION**2, rel=0.05)


def test_its_interval_covers():
    found = [noise_scale(runs(n_runs=10, seed=seed)).rows for seed in range(100)]
    assert np.mean([rows.low <= TRUTH <= rows.high for rows in found]) >= 0.85


def test_noise_that_hides_the_gradient_has_no_upper_end():
    assert noise_scale(runs(n_runs=4, looks=2)).rows.high == np.inf


def test_two_runs_have_no_interval():
    assert not noise_scale(runs(n_runs=2)).rows.known


def test_bad_input():
    with pytest.raises(ConfigError, match="none were recorded"):
        noise_scale([[], []])
    with pytest.raises(ConfigError, match="smaller than the big"):
        noise_scale([[Norms(8, 8, 1.0, 1.0)]])
