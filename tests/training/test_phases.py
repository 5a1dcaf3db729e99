"""A run with a phase left out does everything else as before."""

import numpy as np
import pytest

from fastopt import Adam
from fastopt.errors import ConfigError
from fastopt.training import datasets, driver
from fastopt.training.models import Dense
from fastopt.training.phases import leave_out, stay_within_epoch
from fastopt.training.run import Run


def advanced(phase, dtype, parallel, samples=400):
    data = datasets.load("blobs", dtype=dtype)
    model = Dense((data.n_features, 8, data.n_classes))
    run = Run(data, model, Adam(1e-2), batch_size=32, seed=3, parallel=parallel)
    if phase:
        leave_out(run, phase)
    run.advance(samples)
    return run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("parallel", [False, True])
def test_each_phase_can_be_left_out_and_the_steps_are_as_many(dtype, parallel):
    whole = advanced(None, dtype, parallel)
    start = whole.model.init(3, dtype)
    without_order, without_model, without_update = (
        advanced(phase, dtype, parallel) for phase in ("order", "model", "update")
    )
    assert whole.steps == without_order.steps == without_model.steps == without_update.steps == 13
    assert not np.array_equal(whole.params, start)
    # sequential: it learns, from other batches
    assert not np.array_equal(without_order.params, whole.params)
    assert not np.array_equal(without_order.params, start)
    # no gradient: Adam stands still; no update: gradients are there, and nothing moves
    assert np.array_equal(without_model.params, start)
    assert not without_model.grads.any()
    assert np.array_equal(without_update.params, start)
    assert without_update.grads.any()
    assert not without_update.state.any()


def test_another_phase_is_refused():
    with pytest.raises(ConfigError, match=r'unknown phase "gather".*known: model, order, update'):
        advanced("gather", "float32", False)


@pytest.mark.parametrize("samples", [32, 96, 380, 400])
def test_a_run_stays_within_its_epoch_where_too_few_rows_are_left(samples):
    run = advanced(None, "float64", False, samples=samples)
    order, epoch = run.order.copy(), run.progress[driver.EPOCH]
    n, seen = run.epoch_rows, run.samples
    for _ in range(20):
        stay_within_epoch(run, 96)
        assert 32 <= run.progress[driver.POSITION] <= n - 96
        run.advance(run.samples + 96)
    assert run.samples == seen + 20 * 96
    assert np.array_equal(run.order, order)
    assert run.progress[driver.EPOCH] <= epoch + 20
