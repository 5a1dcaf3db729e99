"""The curve of steps against batch size is found again in hits made from it, censored ones included."""

import math

import numpy as np
import pytest

from fastopt.analysis import steps as curves
from fastopt.analysis.steps import Regime, StepsCurve
from fastopt.errors import ConfigError
from fastopt.streak import Hit

SIZES = [2**k for k in range(13)]


def hits_of(law, deviation=0.2, seeds=6, ratio=1.15, end=math.inf, seed=0, sizes=SIZES):
    """Runs that would hit at law(B) times log-normal noise, looked at on a geometric grid until `end` steps."""
    rng, found = np.random.default_rng(seed), {}
    for size in sizes:
        found[size] = []
        for _ in range(seeds):
            true = law(size) * math.exp(rng.normal(0, deviation))
            place = math.floor(math.log(true) / math.log(ratio))
            low, high = ratio**place, ratio ** (place + 1)
            found[size].append(Hit(low, high) if high <= end else Hit(min(low, end), math.inf))
    return found


def law(size, s_min=200.0, b_crit=64.0):
    return s_min * (1 + b_crit / size)


def test_what_was_put_in_is_found():
    curve = curves.fit(hits_of(law))
    assert curve.s_min == pytest.approx(200, rel=0.15)
    assert curve.b_crit == pytest.approx(64, rel=0.3)
    assert curve.deviation == pytest.approx(0.2, rel=0.35)
    assert curve.at_bound == ""
    assert curve.steps(64) == pytest.approx(law(64), rel=0.15)


def test_misses_are_told_from_hits_at_the_end():
    """Dropping the runs that missed, or taking their end for a hit, would pull the left end of the curve down."""
    curve = curves.fit(hits_of(law, end=3_000, deviation=0.4))
    assert curve.b_crit == pytest.approx(64, rel=0.35)


def test_the_gradient_is_that_of_the_likelihood():
    seen = curves._Seen(hits_of(law, end=3_000))
    middle, h = np.log(law(seen.batch_sizes)) + 0.3, 1e-6
    _, by_middle, by_deviation = curves._log_likelihood(seen, middle, math.log(0.3))

    def value(shift, log_deviation):
        return curves._log_likelihood(seen, middle + shift, log_deviation)[0]

    for i in (0, 20, 77):
        shift = np.zeros(middle.size)
        shift[i] = h
        numeric = (value(shift, math.log(0.3)) - value(-shift, math.log(0.3))) / (2 * h)
        assert by_middle[i] == pytest.approx(numeric, rel=1e-5, abs=1e-6)
    numeric = (value(0.0, math.log(0.3) + h) - value(0.0, math.log(0.3) - h)) / (2 * h)
    assert by_deviation == pytest.approx(numeric, rel=1e-5)


def test_the_likelihood_is_finite_far_from_everything():
    seen = curves._Seen({1: [Hit(0, 1), Hit(5, 6), Hit(7, math.inf)]})
    for shift in (-30.0, 30.0):
        value, by_middle, by_deviation = curves._log_likelihood(seen, np.full(3, shift), math.log(0.1))
        assert np.isfinite([value, *by_middle, by_deviation]).all()


@pytest.mark.parametrize(
    ("law_", "bound"), [(lambda size: 1e5 / size, "high"), (lambda size: 300.0, "low")], ids=["perfect", "flat"]
)
def test_a_curve_without_a_bend_says_so(law_, bound):
    curve = curves.fit(hits_of(law_, deviation=0.05, sizes=SIZES[:8]))
    beyond = curve.b_crit > 128 if bound == "high" else curve.b_crit < 1
    assert beyond
    assert curve.regime(8) == (Regime.PERFECT if bound == "high" else Regime.PARALLEL)


def test_regimes():
    curve = StepsCurve(s_min=10, b_crit=90, deviation=0.1, log_likelihood=0.0, at_bound="")
    assert [curve.regime(size) for size in (1, 10, 11, 90, 809, 810)] == [
        Regime.PERFECT,
        Regime.PERFECT,
        Regime.DIMINISHING,
        Regime.DIMINISHING,
        Regime.DIMINISHING,
        Regime.PARALLEL,
    ]


def test_lack_of_fit_is_seen_where_it_is_and_rarely_where_it_is_not():
    bent = hits_of(lambda size: 1e4 / size**0.5, deviation=0.1)
    assert curves.lack_of_fit(bent, curves.fit(bent)) < 1e-6
    p_values = []
    for seed in range(60):
        right = hits_of(law, seed=seed)
        p_values.append(curves.lack_of_fit(right, curves.fit(right)))
    assert np.mean(np.array(p_values) < 0.05) <= 0.15
    assert 0.35 <= np.mean(p_values) <= 0.65


def test_too_little_is_refused():
    with pytest.raises(ConfigError, match="three batch sizes"):
        curves.fit(hits_of(law, sizes=[1, 2]))
    with pytest.raises(ConfigError, match="three batch sizes"):
        curves.fit({size: [Hit(10, math.inf)] for size in SIZES})
