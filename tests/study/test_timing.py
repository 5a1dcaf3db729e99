"""The timing pass visits every cell in every round, in a random order, and leaves out what diverged."""

import itertools
import math
import threading
from dataclasses import replace

import numpy as np
import pytest

from fastopt.records import TABLES
from fastopt.study import timing
from fastopt.study.config import StudyConfig
from fastopt.study.plan import plan
from fastopt.training.datasets import digits
from fastopt.training.threads import one_blas_thread

ROUNDS = 4
CONFIG = StudyConfig(model="softmax", optimizers=("sgd", "adam"), batch_sizes=("64", "full"), timing_rounds=ROUNDS)
DIGITS = digits()
N = int(DIGITS.train.size)


def timed(config=CONFIG, rates=None, stop=None, tick=lambda cell, blocks: None, first=1):
    study = plan(config, DIGITS)
    rates = dict.fromkeys(study.cells, 0.01) if rates is None else {cell: rates[cell.optimizer] for cell in study.cells}
    stop = np.zeros(1, dtype=np.int64) if stop is None else stop
    with one_blas_thread():
        return list(itertools.chain(*timing.timed_rounds(study, rates, stop, tick, first)))


@pytest.fixture(scope="module")
def blocks():
    ticks = []
    return timed(tick=lambda cell, blocks: ticks.append(blocks)), ticks


def cell(block):
    return block["optimizer"], block["batch"]


def test_every_cell_is_timed_in_every_round(blocks):
    found = [(block["round"], *cell(block)) for block in blocks[0]]
    assert len(found) == len(set(found)) == ROUNDS * 4
    assert {number for number, *_ in found} == set(range(1, ROUNDS + 1))


def test_progress_counts_the_warm_up_round_too(blocks):
    assert blocks[1] == [timing.WARM_UP_BLOCKS] * 4 + [1] * ROUNDS * 4


def test_every_record_is_complete_and_its_numbers_are_positive(blocks):
    for block in blocks[0]:
        assert block.keys() == TABLES["timings"].keys()
        for name in ("batch_size", "threads", "chunks", "epochs", "steps", "memory_bytes"):
            assert type(block[name]) is int
            assert block[name] >= 1
        assert 0 < block["time_s"] < 60
        assert block["backend"] in ("serial", "parallel")
        assert block["steps"] == block["epochs"] * math.ceil(N / block["batch_size"])


def test_each_round_has_an_order_of_its_own(blocks):
    orders = {}
    for block in blocks[0]:
        orders.setdefault(block["round"], []).append((block["position"], cell(block)))
    assert all([position for position, _ in order] == [0, 1, 2, 3] for order in orders.values())
    assert len({tuple(name for _, name in order) for order in orders.values()}) > 1


def test_a_pass_that_goes_on_has_the_rounds_that_were_left_in_the_order_they_would_have_had(blocks):
    def orders(found):
        return [(block["round"], block["position"], cell(block)) for block in found]

    assert orders(timed(first=3)) == [order for order in orders(blocks[0]) if order[0] >= 3]


def test_a_larger_batch_takes_more_memory(blocks):
    bytes_of = {cell(block): block["memory_bytes"] for block in blocks[0]}
    assert bytes_of["sgd", "full"] > bytes_of["sgd", "64"]
    assert bytes_of["adam", "64"] > bytes_of["sgd", "64"]


def test_all_rounds_of_a_cell_do_the_same_work(blocks):
    work = {(*cell(block), block["epochs"], block["steps"], block["backend"]) for block in blocks[0]}
    assert len(work) == 4


def test_the_warm_up_round_doubles_the_epochs_until_two_blocks_in_a_row_are_long_enough(monkeypatch):
    epoch_s = {64: timing.MIN_BLOCK_S / 2.5, N: 2 * timing.MIN_BLOCK_S}
    hiccups, seen = [True], []

    def on_a_fake_clock(run, epochs):
        time_s = epochs * epoch_s[run.batch_size]
        if run.batch_size == 64 and epochs == 1 and hiccups:
            time_s += hiccups.pop() and timing.MIN_BLOCK_S
        seen.append((run.batch_size, epochs))
        return time_s

    monkeypatch.setattr(timing, "_timed", on_a_fake_clock)
    found = timed(replace(CONFIG, optimizers=("sgd",), timing_rounds=2))
    assert [epochs for size, epochs in seen if size == 64] == [1, 1, 2, 4, 4, 4, 4]
    assert [epochs for size, epochs in seen if size == N] == [1, 1, 1, 1]
    assert all(block["time_s"] >= timing.MIN_BLOCK_S for block in found)


@pytest.mark.parametrize("backend", ["serial", "parallel"])
def test_a_block_runs_on_the_backend_that_was_asked_for(backend):
    config = replace(CONFIG, backend=backend, optimizers=("sgd",), timing_rounds=1)
    for block in timed(config):
        assert block["backend"] == backend
        assert backend == "parallel" or block["threads"] == 1


def test_a_cell_that_diverges_has_no_time_and_the_others_have_theirs():
    config = replace(CONFIG, model="mlp", batch_sizes=("64",), timing_rounds=2)
    ticks = []
    found = timed(config, {"sgd": 1e30, "adam": 0.01}, tick=lambda cell, blocks: ticks.append(cell))
    assert [cell(block) for block in found] == [("adam", "64")] * 2
    assert len(ticks) == 3 * 2


def test_a_cell_without_a_rate_is_not_timed():
    study = plan(CONFIG, DIGITS)
    stop = np.zeros(1, dtype=np.int64)
    found = list(itertools.chain(*timing.timed_rounds(study, {study.cells[0]: 0.01}, stop, lambda cell, blocks: None)))
    assert {cell(block) for block in found} == {("sgd", "64")}
    assert len(found) == ROUNDS


def test_a_stop_ends_the_pass_with_keyboard_interrupt(monkeypatch):
    monkeypatch.setattr(timing, "MIN_BLOCK_S", 3600.0)  # the first block would take an hour
    stop = np.zeros(1, dtype=np.int64)
    threading.Timer(0.2, lambda: stop.fill(1)).start()
    with pytest.raises(KeyboardInterrupt):
        timed(stop=stop)
