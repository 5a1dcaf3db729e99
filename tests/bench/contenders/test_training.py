"""What a measuring process trains is what a study trains, to the bit; what is not the same work is refused."""

from dataclasses import replace

import numpy as np
import pytest

from fastopt.bench.contenders import case_from, find
from fastopt.bench.contenders.training import TrainingCase
from fastopt.errors import ConfigError, WorkerError
from fastopt.optimizers import make_optimizer
from fastopt.training.datasets import digits
from fastopt.training.models import build
from fastopt.training.run import Run
from fastopt.training.schedules import make_schedule

DIGITS = digits()
N = int(DIGITS.train.size)
MODEL = build("mlp", DIGITS, hidden=(16,))
CASE = TrainingCase(
    "digits", "mlp", "adam(beta2=0.99)", 0.01, 100, N, MODEL.n_params, options=(("hidden", (16,)),), threads=1
)


def prepared(case):
    contender = find("training", "fastopt")()
    contender.prepare(case)
    return contender


@pytest.mark.parametrize("batch_size", [1, 100, N])
@pytest.mark.parametrize("parallel", [False, True])
def test_so_many_epochs_are_those_of_a_run(batch_size, parallel):
    how = {"schedule": "cosine", "total_steps": 5 * -(-N // batch_size), "sampling": "bijection", "mean": False}
    case = replace(CASE, batch_size=batch_size, parallel=parallel, learning_rate=1e-5, **how)
    contender = prepared(case)
    contender.run(2)
    run = Run(
        DIGITS, MODEL, make_optimizer("adam(beta2=0.99)", learning_rate=1e-5), batch_size=batch_size, seed=0,
        parallel=parallel, **how | {"schedule": make_schedule("cosine")},
    )  # fmt: skip
    run.advance(min(N, 3 * batch_size) + 2 * N)
    assert np.array_equal(contender.result(), run.params)
    assert run.steps == min(3, -(-N // batch_size)) + 2 * case.steps_per_unit


def test_a_case_comes_back_whole_from_its_record():
    assert case_from(CASE.record()) == CASE


def test_the_data_set_is_read_once_in_a_process():
    assert CASE.resolved() is replace(CASE, batch_size=7).resolved()


def test_a_run_that_diverges_is_not_timed_short():
    contender = prepared(replace(CASE, optimizer="sgd", learning_rate=1e30))
    with pytest.raises(WorkerError, match="diverged"):
        contender.run(1)


def test_the_least_traffic_of_a_step_is_that_of_parameters_gradient_and_states():
    assert CASE.bytes_per_step == MODEL.n_params * 4 * 7  # Adam: two states
    assert replace(CASE, optimizer="sgd", dtype="float64").bytes_per_step == MODEL.n_params * 8 * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_rows": N + 1}, f"digits has {N} training rows, expected {N + 1}"),
        ({"n_params": 5}, "parameters, expected 5"),
    ],
)
def test_other_data_or_another_model_than_was_asked_for_is_refused(change, message):
    with pytest.raises(WorkerError, match=message):
        prepared(replace(CASE, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "abacus"}, "abacus"),
        ({"dtype": "int8"}, "dtype must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"batch_size": N + 1}, "larger than the"),
    ],
)
def test_work_that_cannot_be_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(CASE, **change)


@pytest.mark.parametrize("batch_size", [1, 100, 128])
@pytest.mark.parametrize("steps", [1, 5])
def test_a_slice_is_so_many_full_batches_and_draws_no_order(batch_size, steps):
    contender = prepared(replace(CASE, batch_size=batch_size, slice_steps=steps, learning_rate=1e-5))
    run = contender.training
    order, before, samples = run.order.copy(), run.steps, run.samples
    contender.run(40)
    assert run.steps == before + 40 * steps
    assert run.samples == samples + 40 * steps * batch_size  # no smaller batch at the end of an epoch
    assert np.array_equal(run.order, order)


def test_a_slice_knows_its_steps_and_those_of_its_epoch():
    case = replace(CASE, slice_steps=3)
    assert (case.steps_per_unit, case.steps_per_epoch) == (3, -(-N // 100))
    assert CASE.steps_per_unit == CASE.steps_per_epoch
    assert case_from(case.record()) == case


def test_an_order_alone_trains_nothing_and_is_that_of_the_epoch():
    contender = prepared(replace(CASE, order_alone=True))
    run, params = contender.training, contender.result().copy()
    run.order[:] = 0
    contender.run(3)
    assert np.array_equal(contender.result(), params)
    assert np.array_equal(np.sort(run.order), np.sort(DIGITS.train))


def test_a_phase_is_left_out_of_every_step():
    contender = prepared(replace(CASE, left_out="update", slice_steps=2))
    params = contender.result().copy()
    contender.run(5)
    assert np.array_equal(contender.result(), params)


@pytest.mark.parametrize("steps", [N // 100 - 1, 1_000])
def test_a_slice_as_long_as_its_epoch_is_refused(steps):
    with pytest.raises(ConfigError, match="two more"):
        replace(CASE, slice_steps=steps)
