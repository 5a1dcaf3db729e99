"""Where weights start: the laws that the menu names, decided by the seed alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastopt.training.models import Dense, Single
from fastopt.training.models.initial import INITS

from .problems import DTYPES

WIDTHS = (400, 200, 50, 100)
LAWS = {
    "normal": lambda fan_in, fan_out: 0.01,
    "xavier": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "he": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
}


def models(init):
    return Dense((20, 10, 5, 3), init=init), Dense((5, 3), init=init), Single(8, loss="squared", init=init)


def test_every_way_to_start_is_tested_here():
    assert {*LAWS, "zeros"} == set(INITS)


@pytest.mark.parametrize("init", LAWS)
def test_weights_have_the_mean_and_deviation_of_their_law(init):
    model = Dense(WIDTHS, init=init)
    views = model.views(model.init(0, "float64"))
    for layer in (1, 2, 3):
        weights = views[f"W{layer}"]
        n, deviation = weights.size, LAWS[init](*weights.shape)
        # the mean and the standard deviation of n draws scatter by 1/sqrt(n) and at most 1/sqrt(2n)
        assert abs(weights.mean()) < 4 * deviation / math.sqrt(n)
        assert weights.std() == pytest.approx(deviation, rel=4 / math.sqrt(2 * n))


def test_he_and_normal_are_normal_and_xavier_is_uniform():
    share_within_one_deviation = {"normal": math.erf(0.5**0.5), "he": math.erf(0.5**0.5), "xavier": 1 / math.sqrt(3)}
    for init, share in share_within_one_deviation.items():
        model = Dense((400, 300), init=init)
        weights = model.views(model.init(1, "float64"))["W1"]
        within = (np.abs(weights) < LAWS[init](400, 300)).mean()
        assert within == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / weights.size))
        if init == "xavier":
            assert np.abs(weights).max() <= math.sqrt(6 / 700)


@pytest.mark.parametrize("init", INITS)
def test_biases_start_at_zero_and_zeros_are_all_zero(init):
    for model in models(init):
        params = model.init(3, "float32")
        for name, view in model.views(params).items():
            assert view.any() == (name.startswith("W") and init != "zeros")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("init", LAWS)
def test_initial_parameters_depend_on_the_seed_alone(init, dtype):
    for model, again in zip(models(init), models(init), strict=True):
        first = model.init(5, dtype)
        np.random.default_rng().normal()
        assert again.init(5, dtype).tobytes() == first.tobytes()
        assert model.init(6, dtype).tobytes() != first.tobytes()
        assert first.dtype == dtype
        assert first.shape == (model.n_params,)


@pytest.mark.parametrize("init", INITS)
def test_initial_parameters_in_float32_are_those_in_float64_rounded(init):
    for model in models(init):
        assert (model.init(1, "float32") == model.init(1, "float64").astype(np.float32)).all()


def test_neither_activation_nor_loss_nor_product_changes_the_start():
    kinds = [{}, {"activation": "tanh"}, {"loss": "squared"}, {"product": "blas"}, {"product": "tiles"}, {"l2": 1.0}]
    starts = {Dense((5, 4, 3), **kind).init(0, "float64").tobytes() for kind in kinds}
    assert len(starts) == 1
