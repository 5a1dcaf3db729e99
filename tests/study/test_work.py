"""The weights of the progress bar follow the budget, the batch size and the number of workers."""

import pytest

from fastopt.study.config import StudyConfig
from fastopt.study.plan import plan
from fastopt.study.work import MIN_BLOCK_S, block_s, run_s
from fastopt.training.budget import Budget
from fastopt.training.datasets import digits

DIGITS = digits()


def study(bounds, workers=1):
    config = StudyConfig(optimizers=("sgd",), batch_sizes=("1", "full"), length=Budget(**bounds), workers=workers)
    return plan(config, DIGITS)


def weights(bounds, workers=1):
    one = study(bounds, workers)
    return [run_s(one, cell) for cell in one.cells]


def test_twice_the_budget_is_twice_the_work():
    for name in ("epochs", "steps", "samples"):
        assert weights({name: 5000}) == pytest.approx([work / 2 for work in weights({name: 10_000})], rel=0.01)


def test_equal_epochs_are_more_work_in_small_batches_and_equal_steps_in_large_ones():
    small, full = weights({"epochs": 5})
    assert small > 2 * full
    small, full = weights({"steps": 5})
    assert small < full / 2


def test_a_run_of_so_many_seconds_takes_them_whatever_its_batch_size():
    assert weights({"seconds": 3.0}) == [3.0, 3.0]


def test_workers_share_the_work():
    assert weights({"epochs": 4}, workers=2) == pytest.approx([work / 2 for work in weights({"epochs": 4})])


def test_no_block_is_shorter_than_the_shortest_that_is_timed():
    one = study({"epochs": 1})
    assert all(block_s(one, cell) >= MIN_BLOCK_S for cell in one.cells)
