"""The order and the logic of a comparison, on workers that only pretend; and one comparison of real ones."""

import collections
import itertools
import json
import math
import re

import numpy as np
import pytest

from fastopt.bench import interleave
from fastopt.bench.contenders import update_case
from fastopt.bench.contenders.update_case import UpdateCase
from fastopt.bench.interleave import FAILED, TIMED, UNAVAILABLE, compare
from fastopt.bench.process import Block
from fastopt.errors import ConfigError, WorkerError

CASE = UpdateCase("sgd", 4, threads=1)
NAMES = ["numpy", "fastopt serial", "torch fused"]


class Stage:
    """Makes workers on a clock of their own, and logs what is asked of them as (contender, what, number)."""

    def __init__(self, unit_s=1e-3, noise=None):
        self.unit_s = collections.defaultdict(lambda: unit_s)
        self.noise = noise or (lambda block: 1.0)
        self.log, self.blocks, self.closed = [], collections.Counter(), []
        self.make = collections.defaultdict(lambda: FakeWorker)

    def start(self, contender, kind, threads):
        assert (kind, threads) == (CASE.kind, CASE.threads)
        return self.make[contender](self, contender)

    def asked(self, contender, what):
        return [number for name, did, number in self.log if (name, did) == (contender, what)]


class FakeWorker:
    def __init__(self, stage, name):
        self.stage, self.name, self.units, self.case = stage, name, 0, None

    def prepare(self, case):
        self.stage.log.append((self.name, "prepare", case.n_gradients))
        self.case, self.units = case, 0

    def time(self, repeats):
        assert self.case is not None
        self.stage.log.append((self.name, "time", repeats))
        self.units += repeats
        block = self.stage.blocks[self.name]
        self.stage.blocks[self.name] += 1
        return Block(self.stage.unit_s[self.name] * repeats * self.stage.noise(block), 2)

    def result(self):
        return update_case.reference(self.case, self.units)[1]

    def release(self):
        self.stage.log.append((self.name, "release", 0))
        self.case = None

    def facts(self):
        return {"versions": {"pretence": "1"}, "blas": [], "variables": {}, "git": None}

    def close(self):
        self.stage.closed.append(self.name)


def fake(stage, names=NAMES, rounds=8, **options):
    return compare(names, CASE, rounds, options.pop("min_block_s", 0.01), settle_s=0.0, start=stage.start, **options)


# --- Order ----------------------------------------------------------------------------------------------------------


def test_every_round_has_every_contender_once():
    comparison = fake(Stage())
    assert len(comparison.orders) == 8
    assert all(sorted(order) == sorted(NAMES) for order in comparison.orders)
    for row in comparison.rows:
        assert [sample.round for sample in row.samples] == list(range(8))
        assert all(comparison.orders[s.round][s.position] == row.contender for s in row.samples)


def test_the_seed_decides_the_orders():
    first, again, other = (fake(Stage(), seed=seed).orders for seed in (1, 1, 2))
    assert first == again != other


def test_all_orders_come_about_equally_often():
    counts = collections.Counter(tuple(order) for order in fake(Stage(), rounds=1200).orders)
    assert set(counts) == set(itertools.permutations(NAMES))
    assert all(140 <= count <= 260 for count in counts.values())  # 200 expected; five standard deviations


def test_the_answer_is_checked_before_anything_is_timed():
    stage = Stage()
    fake(stage)
    for name in NAMES:
        prepared = stage.asked(name, "prepare")
        assert prepared[0] == update_case.CHECK_GRADIENTS
        assert set(prepared[1:]) == {1}
        assert stage.asked(name, "time")[0] == update_case.CHECK_STEPS


def test_every_block_is_warm_and_on_fresh_arrays_and_only_one_contender_holds_any():
    stage = Stage()
    fake(stage, rounds=3)
    rounds = stage.log[-3 * 3 * 4 :]
    for at in range(0, len(rounds), 4):
        name = rounds[at][0]
        assert rounds[at : at + 4] == [
            (name, "prepare", 1),
            (name, "time", 1),
            (name, "time", 10),
            (name, "release", 0),
        ]
    held = set()
    for name, did, _ in stage.log:
        assert held <= {name}
        held = held - {name} if did == "release" else held | {name} if did == "prepare" else held


@pytest.mark.parametrize("unit_s", [1e-7, 3e-4, 0.009, 0.5])
def test_a_block_lasts_as_long_as_asked_for_and_not_much_longer(unit_s):
    row = fake(Stage(unit_s)).row("numpy")
    (repeats,) = {sample.repeats for sample in row.samples}
    assert repeats * unit_s >= 0.01
    assert repeats == 1 or repeats * unit_s <= 0.1


# --- Numbers --------------------------------------------------------------------------------------------------------


def test_samples_are_seconds_per_unit():
    stage = Stage()
    stage.unit_s.update({"numpy": 0.002, "torch fused": 3.0})
    comparison = fake(stage)
    assert comparison.row("numpy").unit_s == pytest.approx([0.002] * 8)
    assert comparison.row("torch fused").unit_s == pytest.approx([3.0] * 8)
    assert {sample.involuntary_switches for sample in comparison.row("numpy").samples} == {2}


def test_ratios_are_taken_round_by_round():
    stage = Stage(unit_s=0.02, noise=lambda block: 1.0 + block % 5)  # one unit a block: all see the same noise
    stage.unit_s["torch fused"] = 0.05
    comparison = fake(stage, baseline="fastopt serial")
    assert comparison.ratio("torch fused", "fastopt serial") == pytest.approx((2.5, 2.5, 2.5))
    assert comparison.ratio("fastopt serial", "torch fused") == pytest.approx((0.4, 0.4, 0.4))
    rows = {row["contender"]: row for row in comparison.record()["rows"]}
    assert rows["torch fused"]["ratio_to_baseline"]["median"] == pytest.approx(2.5)
    assert rows["fastopt serial"]["ratio_to_baseline"] == {"median": 1.0, "low": 1.0, "high": 1.0}


def test_five_rounds_have_no_interval_and_the_record_says_so():
    (row, *_) = fake(Stage(), rounds=5).record()["rows"]
    assert row["unit_s"]["median"] is not None
    assert row["unit_s"]["low"] is None


def test_a_record_is_json_and_holds_every_sample():
    record = json.loads(json.dumps(fake(Stage()).record(), allow_nan=False))
    assert [len(row["samples"]) for row in record["rows"]] == [8, 8, 8]
    assert record["case"] == CASE.record()
    assert record["baseline"] == "numpy"
    assert record["rows"][0]["facts"] == {"versions": {"pretence": "1"}, "blas": [], "variables": {}}
    assert set(record["rows"][0]["samples"][0]) == {"round", "position", "unit_s", "repeats", "involuntary_switches"}


# --- What goes wrong is a row, and the others go on -----------------------------------------------------------------


class Wrong(FakeWorker):
    def result(self):
        return super().result() * 1.01


class NotANumber(FakeWorker):
    def result(self):
        return np.full_like(super().result(), math.nan)


class Absent(FakeWorker):
    def prepare(self, case):
        return "not installed: pip install abacus"


class DiesAtOnce(FakeWorker):
    def prepare(self, case):
        raise WorkerError("was killed by SIGSEGV")


class DiesInRoundThree(FakeWorker):
    def time(self, repeats):
        if self.stage.asked(self.name, "prepare").count(1) == 4:  # one to choose the repeats, then rounds
            raise WorkerError("gave no answer")
        return super().time(repeats)


@pytest.mark.parametrize(
    ("worker", "status", "reason"),
    [
        (Wrong, FAILED, "wrong answer: off by .* of the way after 10 steps of sgd float32 4e.00 elements, 0.0001"),
        (NotANumber, FAILED, "wrong answer: off by nan"),
        (Absent, UNAVAILABLE, "pip install abacus"),
        (DiesAtOnce, FAILED, "SIGSEGV"),
    ],
)
def test_who_fails_the_checks_is_a_row_with_the_reason_and_is_not_timed(worker, status, reason):
    stage = Stage()
    stage.make["torch fused"] = worker
    comparison = fake(stage)
    row = comparison.row("torch fused")
    assert row.status == status
    assert row.samples == []
    assert re.search(reason, row.reason)
    assert 1 not in stage.asked("torch fused", "prepare")
    assert all(sorted(order) == ["fastopt serial", "numpy"] for order in comparison.orders)
    assert [comparison.row(name).status for name in NAMES[:2]] == [TIMED, TIMED]
    assert math.isnan(comparison.ratio("torch fused", "numpy").median)
    json.dumps(comparison.record(), allow_nan=False)


def test_who_does_not_do_the_work_is_timed_whatever_its_answer():
    stage = Stage()
    stage.make["ceiling"] = Wrong
    row = fake(stage, names=["numpy", "ceiling"]).row("ceiling")
    assert (row.status, row.errors, len(row.samples)) == (TIMED, [], 8)


def test_who_does_not_do_the_work_may_still_be_missing():
    stage = Stage()
    stage.make["ceiling"] = Absent
    assert fake(stage, names=["numpy", "ceiling"]).row("ceiling").status == UNAVAILABLE


def test_who_dies_on_the_way_keeps_its_samples_and_leaves_the_rounds():
    stage = Stage()
    stage.make["numpy"] = DiesInRoundThree
    comparison = fake(stage, baseline="numpy")
    row = comparison.row("numpy")
    assert (row.status, row.reason, len(row.samples)) == (FAILED, "gave no answer", 2)
    assert all(("numpy" in order) == (number <= 2) for number, order in enumerate(comparison.orders))
    assert len(comparison.row("torch fused").samples) == 8
    assert math.isnan(comparison.ratio("torch fused", "numpy").median)
    json.dumps(comparison.record(), allow_nan=False)


def test_all_workers_are_closed_at_the_end_and_after_ctrl_c():
    stage = Stage()
    fake(stage)
    assert sorted(stage.closed) == sorted(NAMES)

    class Interrupted(FakeWorker):
        def time(self, repeats):
            raise KeyboardInterrupt

    stage = Stage()
    stage.make["torch fused"] = Interrupted
    with pytest.raises(KeyboardInterrupt):
        fake(stage)
    assert sorted(stage.closed) == sorted(NAMES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"contenders": []}, "one contender or more"),
        ({"contenders": ["numpy", "numpy"]}, "each once"),
        ({"contenders": ["abacus"]}, "unknown update contender"),
        ({"rounds": 0}, "rounds must be"),
        ({"seed": -1}, "seed must be"),
        ({"min_block_s": 0.0}, "min_block_s must be"),
        ({"min_block_s": math.inf}, "min_block_s must be"),
        ({"baseline": "torch foreach"}, "unknown baseline"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        compare(**{"contenders": ["numpy"], "case": CASE, **arguments})


def test_a_row_that_took_no_part_is_refused():
    with pytest.raises(ConfigError, match="unknown contender of this comparison"):
        fake(Stage()).row("torch foreach")


# --- In earnest -----------------------------------------------------------------------------------------------------


def test_real_workers_are_checked_timed_and_described():
    comparison = compare(["fastopt serial", "numpy"], UpdateCase("adam", 1000, threads=1), 6, 1e-4, settle_s=0.0)
    for row in comparison.rows:
        assert (row.status, row.reason) == (TIMED, "")
        assert len(row.samples) == 6
        assert min(row.unit_s) > 0
        assert 0 <= row.errors[0] <= update_case.TOLERANCES["float32"]
        assert row.facts["versions"]["numpy"] == np.__version__
        assert row.facts["variables"]["OMP_NUM_THREADS"] == "1"
    assert comparison.ratio("numpy", "fastopt serial").known
    assert interleave.interval_record(comparison.ratio("numpy", "numpy")) == {"median": 1.0, "low": 1.0, "high": 1.0}
