"""A law that is known exactly lies within the intervals of a study, mostly; 100 of them are a proof of its own."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "proofs" / "laws.py"


@pytest.fixture(scope="module")
def laws():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PATH.parent))
        spec = importlib.util.spec_from_file_location("laws", PATH)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def test_the_expected_loss_follows_the_law(laws):
    s_min, b_crit = laws.truth()
    for size in laws.SIZES:
        steps = laws.observed(size, np.random.default_rng(0))[1]
        assert steps == pytest.approx(s_min * (1 + b_crit / size), rel=0.02)


def test_eight_studies_find_it(laws):
    found = [laws.study(seed) for seed in range(8)]
    assert sum(one["b_crit within"] for one in found) >= 6
    assert np.mean([one["steps within"] for one in found]) >= 0.85
    assert sum(one["rejected"] for one in found) <= 2
