"""Runs of batch size 1 through fully connected layers leave their gradient as factors, and nobody can tell."""

import math

import numpy as np
import pytest

from fastopt import SGD, Adam, Momentum
from fastopt.training.datasets import from_arrays
from fastopt.training.models import Dense, build
from fastopt.training.phases import leave_out
from fastopt.training.run import Run

WIDTHS = [(40, 10), (40, 64, 10), (40, 48, 33, 17, 10)]
OPTIMIZERS = {"sgd": SGD, "momentum": Momentum, "adam": Adam}
WRITTEN_OUT = {"clip_norm": 1e300}  # clips nothing; but the norm is taken of a gradient that lies in memory


def data(dtype="float32", n_rows=60):
    rng = np.random.default_rng(3)
    return from_arrays((rng.normal(size=(n_rows, 40)), rng.permutation(n_rows) % 10), dtype)


def advanced(widths, optimizer, dtype="float32", *, batch_size=1, samples=130, parallel=False, **options):
    run = Run(data(dtype), Dense(widths, **options), optimizer, batch_size=batch_size, seed=1, parallel=parallel)
    run.advance(samples)
    return run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("product", ["tiles", "blas"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_by_factors_is_the_run_that_writes_its_gradients(name, product, widths, dtype):
    kind = OPTIMIZERS[name]
    runs = [
        advanced(widths, kind(0.01, **options), dtype, product=product, activation="tanh", parallel=parallel)
        for options, parallel in ((WRITTEN_OUT, False), ({}, False), ({}, True))
    ]
    assert [len(run.factors) for run in runs] == [0, len(widths) - 1, len(widths) - 1]
    want = runs[0]
    assert want.steps == 130
    for run in runs[1:]:
        assert np.array_equal(run.params, want.params)
        assert np.array_equal(run.state, want.state)
        assert np.array_equal(run.grads, want.grads)
        assert run.batch_loss == want.batch_loss
        assert run.evaluate().gradient_norm == want.evaluate().gradient_norm > 0


def test_a_run_in_pieces_is_the_run_in_one():
    whole, pieces = (advanced((40, 64, 10), Adam(0.01), samples=first) for first in (130, 7))
    for until in (8, 61, 130):
        pieces.advance(until)
    assert np.array_equal(pieces.params, whole.params)
    assert np.array_equal(pieces.grads, whole.grads)


def test_a_batch_that_diverges_leaves_its_gradient_as_it_would_have_been_written():
    runs = [advanced((40, 64, 10), SGD(1e6, **options), samples=5000) for options in (WRITTEN_OUT, {})]
    assert all(run.diverged for run in runs)
    assert runs[0].steps == runs[1].steps
    assert np.array_equal(*(run.grads for run in runs), equal_nan=True)
    assert np.array_equal(*(run.params for run in runs), equal_nan=True)


@pytest.mark.parametrize(
    ("batch_size", "options", "model"),
    [(2, {}, {}), (1, WRITTEN_OUT, {}), (1, {}, {"l2": 1e-3})],
    ids=["two rows", "clip_norm", "l2"],
)
def test_what_is_no_product_is_written_out(batch_size, options, model):
    run = advanced((40, 64, 10), Adam(0.01, **options), batch_size=batch_size, **model)
    assert len(run.factors) == 0
    assert math.isfinite(run.evaluate().gradient_norm)


@pytest.mark.parametrize("phase", ["order", "model", "update"])
def test_phases_of_a_run_by_factors_can_be_left_out(phase):
    model = build("mlp", data(), hidden=(64,))
    run = Run(data(), model, SGD(0.01), batch_size=1, seed=0)
    leave_out(run, phase)
    start = run.params.copy()
    run.advance(50)
    assert run.steps == 50
    assert np.array_equal(run.params, start) is (phase != "order")
    assert run.grads.any() == (phase != "model")


def test_a_network_with_a_gradient_of_ones_own_writes_it_out():
    class Mine(Dense):
        @staticmethod
        def loss_and_grad(params, X, Y, rows, grads, workspace, shape, args, buffers, training):
            grads[:] = 1
            return 0.0

    run = Run(data(), Mine((40, 10)), SGD(0.5), batch_size=1, seed=0)
    start = run.params.copy()
    run.advance(4)
    assert len(run.factors) == 0
    np.testing.assert_allclose(run.params, start - 2, rtol=1e-5)
