"""The timing pass visits every cell in every round, in a random order, and says of what failed why."""

import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from fastopt import plugins
from fastopt.bench.contenders import case_from
from fastopt.records import TABLES
from fastopt.study import timing
from fastopt.study.config import StudyConfig
from fastopt.study.plan import plan
from fastopt.study.timing import TimingPass, training_case
from fastopt.study.waves import Point
from fastopt.study.work import QUALIFYING_BLOCKS, ROUND_BLOCKS
from fastopt.training.datasets import digits, make_linear

ROUNDS = 4  # one more than a process does
CONFIG = StudyConfig(model="softmax", optimizers=("sgd", "adam"), batch_sizes=("64", "full"), timing_rounds=ROUNDS)
DIGITS = digits()
N = int(DIGITS.train.size)


def timing_pass(config=CONFIG, rates=None, tick=lambda cell, blocks: None, done=0):
    study = plan(config, DIGITS)
    rates = {"sgd": 0.01, "adam": 0.01} if rates is None else rates
    points = {cell: Point(rates[cell.optimizer]) for cell in study.cells}
    return TimingPass(study, points, tick, dict.fromkeys(study.cells, done))


def timed(*settings, **more):
    return list(itertools.chain(*timing_pass(*settings, **more).rounds()))


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


def test_progress_counts_what_goes_before_the_rounds_too(blocks):
    assert blocks[1] == [QUALIFYING_BLOCKS] * 4 + [ROUND_BLOCKS] * ROUNDS * 4


def test_every_record_is_complete_and_its_numbers_are_positive(blocks):
    for block in blocks[0]:
        assert block.keys() == TABLES["timings"].keys()
        for name in ("batch_size", "threads", "chunks", "steps", "memory_bytes"):
            assert type(block[name]) is int
            assert block[name] >= 1
        assert 0 < block["time_s"] < 60
        assert block["backend"] in ("serial", "parallel")
        assert block["steps"] == block["epochs"] * math.ceil(N / block["batch_size"])
        assert block["warm"] in (0, 1)
        assert block["switches"] >= 0
        assert block["load"] >= 0


def test_a_fresh_process_takes_over_every_three_rounds(blocks):
    assert {(block["round"], block["launch"]) for block in blocks[0]} == {(1, 1), (2, 1), (3, 1), (4, 4)}


def test_each_round_has_an_order_of_its_own(blocks):
    orders = {}
    for block in blocks[0]:
        orders.setdefault(block["round"], []).append((block["position"], cell(block)))
    assert all([position for position, _ in order] == [0, 1, 2, 3] for order in orders.values())
    assert len({tuple(name for _, name in order) for order in orders.values()}) > 1


def test_a_pass_that_goes_on_has_the_rounds_that_were_left_in_the_order_they_would_have_had(blocks):
    def orders(found):
        return [(block["round"], block["position"], cell(block)) for block in found]

    again = timed(done=2)
    assert orders(again) == [order for order in orders(blocks[0]) if order[0] >= 3]
    assert {block["launch"] for block in again} == {3}


def test_a_larger_batch_takes_more_memory(blocks):
    bytes_of = {cell(block): block["memory_bytes"] for block in blocks[0]}
    assert bytes_of["sgd", "full"] > bytes_of["sgd", "64"]
    assert bytes_of["adam", "64"] > bytes_of["sgd", "64"]


def test_all_rounds_of_a_cell_do_the_same_work(blocks):
    work = {(*cell(block), block["epochs"], block["steps"], block["backend"]) for block in blocks[0]}
    assert len(work) == 4


@pytest.mark.parametrize("backend", ["serial", "parallel"])
def test_a_block_runs_on_the_backend_that_was_asked_for(backend):
    config = replace(CONFIG, backend=backend, optimizers=("sgd",), timing_rounds=1)
    for block in timed(config):
        assert block["backend"] == backend
        assert backend == "parallel" or block["threads"] == 1


def test_a_cell_that_diverges_has_a_reason_and_no_time_and_the_others_have_theirs():
    config = replace(CONFIG, model="mlp", batch_sizes=("64",), timing_rounds=2)
    ticks = []
    found = timing_pass(config, {"sgd": 1e30, "adam": 0.01}, lambda cell, blocks: ticks.append(cell))
    assert [cell(block) for block in itertools.chain(*found.rounds())] == [("adam", "64")] * 2
    assert len(ticks) == 3 * 2
    (failure,) = found.failures
    assert (failure["optimizer"], failure["batch"]) == ("sgd", "64")
    assert "diverged" in failure["reason"]


def test_a_cell_without_a_rate_is_not_timed():
    study = plan(replace(CONFIG, timing_rounds=1), DIGITS)
    found = TimingPass(study, {study.cells[0]: Point(0.01)}, lambda cell, blocks: None)
    assert [cell(block) for block in itertools.chain(*found.rounds())] == [("sgd", "64")]
    assert found.failures == []


DEADLY = """
import fastopt, os

if {worker}:
    class Deadly(fastopt.SGD):
        def initial_state(self, size, dtype):
            os.kill(os.getpid(), 9)
    fastopt.optimizers.OPTIMIZERS["sgd"] = Deadly
"""


def test_a_process_that_dies_costs_one_cell_its_times_and_leaves_the_others_theirs(tmp_path, monkeypatch):
    """SGD of the measuring process, and of no other, kills it."""
    plugin = tmp_path / "deadly.py"
    plugin.write_text(DEADLY.format(worker=f"os.getpid() != {os.getpid()}"))
    monkeypatch.setattr(plugins, "_MODULES", dict(plugins._MODULES))
    plugins.load(plugin)
    found = timing_pass(replace(CONFIG, batch_sizes=("full",), timing_rounds=1))
    assert [cell(block) for block in itertools.chain(*found.rounds())] == [("adam", "full")]
    (failure,) = found.failures
    assert failure["optimizer"] == "sgd"
    assert "killed by SIGKILL" in failure["reason"]


def children():
    """The processes that this one started and that still run."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return [line for line in listed.stdout.splitlines() if "fastopt.bench.worker" in line]


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="counts child processes as ps on Linux does")


@LINUX
def test_ctrl_c_ends_the_pass_at_once_and_leaves_no_process_behind(monkeypatch):
    monkeypatch.setattr(timing, "MIN_BLOCK_S", 3600.0)  # the first block would take an hour
    seen = []

    def interrupt():
        seen.extend(children())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(3.0, interrupt)
    timer.start()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            timed()
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    assert len(seen) == 1
    assert children() == []


@LINUX
def test_who_takes_no_more_rounds_leaves_no_process_behind():
    with contextlib.closing(timing_pass().rounds()) as rounds:
        next(rounds)
        assert len(children()) == 1
    assert children() == []


@pytest.mark.parametrize(("model", "given"), [("mlp", {"hidden": (16, 8), "activation": "tanh"}), ("softmax", {})])
def test_the_work_of_a_cell_comes_back_whole_from_a_record_with_products_pinned(model, given):
    study = plan(replace(CONFIG, model=model, **given), DIGITS)
    for one in study.cells:
        case = training_case(study, one, Point(0.01))
        assert case_from(json.loads(json.dumps(case.record()))) == case
        assert dict(case.options) == {**given, "product": study.model.product}


def test_a_model_that_multiplies_nothing_has_no_products_to_pin():
    numbers = make_linear(100)
    study = plan(replace(CONFIG, model="linear", batch_sizes=("8",), l2=0.5), numbers)
    assert dict(training_case(study, study.cells[0], Point(0.01)).options) == {"l2": 0.5}


def test_what_was_tuned_beside_the_rate_is_timed_with_it():
    study = plan(replace(CONFIG, optimizers=("adam(beta1=0.8)",)), DIGITS)
    case = training_case(study, study.cells[0], Point(0.02, (("beta2", 0.99),)), "update")
    assert (case.optimizer, case.learning_rate, case.left_out) == ("adam(beta1=0.8,beta2=0.99)", 0.02, "update")
