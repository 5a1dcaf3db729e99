"""The order and the logic of a measurement, on workers and a clock that only pretend; and one of real workers."""

import collections
import itertools
import json
import math
import random
import re

import numpy as np
import pytest

from fastopt.bench import protocol
from fastopt.bench.contenders import update_case
from fastopt.bench.contenders.update_case import UpdateCase
from fastopt.bench.pool import Pool
from fastopt.bench.process import Block, Prepared
from fastopt.bench.protocol import Entry, Measuring, Planned, Protocol, qualify, take_round
from fastopt.bench.watch import Disturbance
from fastopt.errors import ConfigError, WorkerError
from fastopt.measurements import FAILED, OURS, SKIPPED, TIMED, TWIN, UNAVAILABLE, Row, measurement_from

CASE = UpdateCase("sgd", 4, threads=1)
NAMES = ("numpy", "fastopt serial", "torch fused")
ROWS = (*NAMES, "numpy, again")
LAUNCHES, ROUNDS = 4, 3


class Stage:
    """Makes workers on a clock of their own, and logs what is asked of them as (contender, what, number)."""

    def __init__(self, unit_s=1e-3, noise=None):
        self.unit_s = collections.defaultdict(lambda: unit_s)
        self.noise = noise or (lambda block: 1.0)
        self.log, self.started, self.closed = [], [], []
        self.make = collections.defaultdict(lambda: FakeWorker)
        self.now = 0.0

    def start(self, contender, kind, threads):
        assert kind == CASE.kind
        self.started.append(contender)
        return self.make[contender](self, contender)

    def clock(self):
        return self.now

    def asked(self, contender, what):
        return [number for name, did, number in self.log if (name, did) == (contender, what)]


class FakeWorker:
    def __init__(self, stage, name):
        self.stage, self.name, self.units, self.case, self.alive = stage, name, 0, None, True
        self.blocks = itertools.count()

    def prepare(self, case):
        self.stage.log.append((self.name, "prepare", case.n_gradients))
        self.case, self.units = case, 0
        return Prepared(None, 0.25)

    def warm_up(self, repeats, windows):
        self.stage.log.append((self.name, "warm up", repeats))
        return True

    def time(self, repeats):
        assert self.case is not None
        self.stage.log.append((self.name, "time", repeats))
        self.units += repeats
        seconds = self.stage.unit_s[self.name] * repeats * self.stage.noise(next(self.blocks))
        self.stage.now += seconds
        return Block(seconds, Disturbance(2, 0.0, 0.0, math.nan, 0.5))

    def time_cold(self):
        self.stage.log.append((self.name, "cold", 1))
        return self.time(1)

    def result(self):
        return update_case.reference(self.case, self.units)[1]

    def release(self):
        self.stage.log.append((self.name, "release", 0))
        self.case = None

    def facts(self):
        return {"versions": {"pretence": "1"}, "blas": [], "variables": {}, "git": None}

    def close(self):
        self.alive = False
        self.stage.closed.append(self.name)


def fake(stage, names=NAMES, plan=None, save=lambda _: None, **options):
    how = {"launches": LAUNCHES, "rounds": ROUNDS, "min_block_s": 0.01, "settle_s": 0.0, **options}
    plan = plan or [Planned(CASE, names, names[0])]
    return Measuring(plan, Protocol(**how), {}, save=save, start=stage.start, clock=stage.clock).run()


def only(measurement):
    (comparison,) = measurement.comparisons
    return comparison


def orders(comparison):
    """The order of contenders in each round."""
    found = collections.defaultdict(dict)
    for row in comparison.rows:
        for sample in row.hot:
            found[sample.launch, sample.round][sample.position] = row.name
    return [[names[position] for position in sorted(names)] for _, names in sorted(found.items())]


# --- Order ----------------------------------------------------------------------------------------------------------


def test_a_launch_of_long_rounds_has_one():
    comparison = only(fake(Stage(unit_s=5.0)))
    assert {(sample.launch, sample.round) for row in comparison.rows for sample in row.hot} == {
        (launch, 0) for launch in range(LAUNCHES)
    }


def test_every_round_has_every_contender_once_and_the_baseline_twice():
    comparison = only(fake(Stage()))
    assert len(orders(comparison)) == LAUNCHES * ROUNDS
    assert all(sorted(order) == sorted(ROWS) for order in orders(comparison))
    for row in comparison.rows:
        assert [(s.launch, s.round) for s in row.hot] == list(itertools.product(range(LAUNCHES), range(ROUNDS)))
    assert [row.role for row in comparison.rows] == ["peer", OURS, "peer", TWIN]


def test_every_launch_starts_every_process_anew_and_none_is_left():
    stage = Stage()
    fake(stage)
    wanted = collections.Counter(dict.fromkeys(NAMES, LAUNCHES)) + collections.Counter({"numpy": LAUNCHES})
    assert collections.Counter(stage.started) == wanted == collections.Counter(stage.closed)


def test_rows_whose_process_has_one_name_share_it_and_each_is_told_of_when_it_is_done():
    stage, told = Stage(), []
    how = Protocol(min_block_s=0.01, settle_s=0.0)
    entries = [Entry(Row(name, "numpy"), CASE, "shared") for name in ("one", "other")]
    with Pool(stage.start) as pool:
        for entry in entries:
            qualify(entry, pool, how)
        take_round(entries, pool, 0, 0, random.Random(0), how, lambda entry: told.append(entry.row.name))
        assert stage.started == ["numpy"]
        assert Entry(Row("its own", "numpy"), CASE).process == "its own"
    assert sorted(told) == ["one", "other"]
    assert [len(entry.row.hot) for entry in entries] == [1, 1]
    assert stage.closed == ["numpy"]


def test_the_seed_decides_the_orders():
    first, again, other = (orders(only(fake(Stage(), seed=seed))) for seed in (1, 1, 2))
    assert first == again != other


def test_all_orders_come_about_equally_often():
    counts = collections.Counter(tuple(order) for order in orders(only(fake(Stage(), launches=2, rounds=2400))))
    assert set(counts) == set(itertools.permutations(ROWS))
    assert all(140 <= count <= 260 for count in counts.values())  # 200 expected; five standard deviations


def test_the_answer_is_checked_before_anything_is_timed():
    stage = Stage()
    fake(stage)
    for name in NAMES[1:]:
        prepared = stage.asked(name, "prepare")
        assert prepared[0] == update_case.CHECK_GRADIENTS
        assert set(prepared[1:]) == {1}
        assert stage.asked(name, "time")[0] == update_case.CHECK_STEPS


def test_every_block_is_warm_and_on_fresh_arrays_and_only_one_contender_holds_any():
    stage = Stage()
    fake(stage)
    rounds = stage.log[-4 * ROUNDS * len(ROWS) :]
    for at in range(0, len(rounds), 4):
        name = rounds[at][0]
        assert rounds[at : at + 4] == [
            (name, "prepare", 1),
            (name, "warm up", 1),
            (name, "time", 10),
            (name, "release", 0),
        ]
    held = set()
    for name, did, _ in stage.log:
        assert held <= {name}
        held = held - {name} if did == "release" else held | {name} if did == "prepare" else held


@pytest.mark.parametrize("unit_s", [1e-7, 3e-4, 0.009, 0.5])
def test_a_block_lasts_as_long_as_asked_for_and_not_much_longer(unit_s):
    row = only(fake(Stage(unit_s))).row("numpy")
    (repeats,) = {sample.repeats for sample in row.samples}
    assert repeats * unit_s >= 0.01
    assert repeats == 1 or repeats * unit_s <= 0.1


def test_a_hiccup_while_the_units_are_counted_makes_no_short_blocks():
    stage = Stage(1e-3, noise=lambda block: 50.0 if block == 3 else 1.0)  # the first that is to be a block
    row = only(fake(stage, names=("numpy",))).row("numpy")
    assert stage.asked("numpy", "time")[:7] == [10, 1, 1, 1, 1, 10, 10]
    assert {sample.repeats for sample in row.samples} == {10}


def test_cold_units_come_beside_hot_blocks_where_the_arrays_fit_into_the_caches():
    stage = Stage()
    large = UpdateCase("sgd", 2**31, threads=1)
    plan = [Planned(CASE, ("numpy",), "numpy"), Planned(large, ("ceiling",), "ceiling")]
    small, large = fake(stage, plan=plan, cold=True).comparisons
    assert len(small.row("numpy").cold) == len(small.row("numpy").hot) == LAUNCHES * ROUNDS
    assert {sample.repeats for sample in small.row("numpy").cold} == {1}
    assert large.row("ceiling").cold == []


# --- When it ends ---------------------------------------------------------------------------------------------------


def test_launches_are_planned_from_the_verdicts_and_never_too_few():
    measurement = fake(Stage(), launches=None)
    assert measurement.meta["planned_launches"] == protocol.LEAST_LAUNCHES
    assert only(measurement).stopped == "launches"
    assert measurement.meta["status"] == "finished"


def test_a_precision_that_is_reached_ends_it_and_says_so():
    assert only(fake(Stage(), precision=0.01)).stopped == "precision"


def test_a_precision_that_the_noise_forbids_takes_four_times_the_launches():
    chance = np.random.default_rng(0)
    comparison = only(fake(Stage(noise=lambda _: chance.uniform(1, 2)), precision=0.01))
    assert comparison.stopped == "launches"
    assert {sample.launch for sample in comparison.row("numpy").samples} == set(range(4 * LAUNCHES))


def test_a_spent_budget_ends_it_between_two_rounds_and_what_was_not_begun_says_why():
    stage = Stage()
    first, second = Planned(CASE, ("numpy",), "numpy"), Planned(UpdateCase("sgd", 4, threads=2), ("numpy",), "numpy")
    measurement = fake(stage, plan=[first, second], budget_s=0.1)
    done, skipped = measurement.comparisons
    assert measurement.meta["status"] == "budget"
    assert done.stopped == skipped.stopped == "budget"
    assert 1 <= len(done.row("numpy").hot) < LAUNCHES * ROUNDS
    assert {(row.status, row.reason) for row in skipped.rows} == {(SKIPPED, "the budget was spent before its turn")}
    assert 0.1 <= measurement.meta["elapsed_s"] < 0.2


def test_it_is_saved_after_every_launch_of_every_comparison_and_at_the_end():
    seen = []
    fake(Stage(), save=lambda found: seen.append((found.meta["status"], len(only(found).row("numpy").hot))))
    assert seen == [
        *(("running", ROUNDS * launch) for launch in range(1, LAUNCHES + 1)),
        ("finished", LAUNCHES * ROUNDS),
    ]


def test_ctrl_c_saves_what_there_is_and_leaves_no_process():
    stage, seen = Stage(), []

    class Interrupted(FakeWorker):
        def time(self, repeats):
            if len(stage.started) > 2 * len(ROWS):
                raise KeyboardInterrupt
            return super().time(repeats)

    stage.make["torch fused"] = Interrupted
    with pytest.raises(KeyboardInterrupt):
        fake(stage, save=lambda found: seen.append((found.meta["status"], only(found).stopped)))
    assert seen == [("running", ""), ("running", ""), ("interrupted", "interrupted")]
    assert sorted(stage.closed) == sorted(stage.started)


# --- Numbers --------------------------------------------------------------------------------------------------------


def test_samples_are_seconds_per_unit_with_what_else_was_seen():
    stage = Stage()
    stage.unit_s.update({"numpy": 0.002, "torch fused": 3.0})
    comparison = only(fake(stage))
    assert [s.unit_s for s in comparison.row("numpy").hot] == pytest.approx([0.002] * LAUNCHES * ROUNDS)
    assert [s.unit_s for s in comparison.row("torch fused").hot] == pytest.approx([3.0] * LAUNCHES * ROUNDS)
    assert {(s.switches, s.load, s.warm) for s in comparison.row("numpy").samples} == {(2, 0.5, True)}
    assert comparison.row("numpy").prepare_s == 0.25


def test_ratios_are_taken_round_by_round():
    stage = Stage(unit_s=0.02, noise=lambda block: 1.0 + block % 5)  # one unit a block: all see the same noise
    stage.unit_s["torch fused"] = 0.05
    comparison = only(fake(stage, names=("fastopt serial", "torch fused")))
    for launch in comparison.paired("torch fused", "fastopt serial"):
        assert launch == pytest.approx([2.5] * ROUNDS)
    assert np.shape(comparison.twins) == (LAUNCHES, ROUNDS)


def test_a_record_is_json_holds_every_sample_and_can_be_read_again():
    measurement = fake(Stage(), cold=True)
    record = json.loads(json.dumps(measurement.record(), allow_nan=False))
    again = measurement_from(record, "here")
    assert again.record() == record
    comparison = only(again)
    assert [len(row.samples) for row in comparison.rows] == [2 * LAUNCHES * ROUNDS] * len(ROWS)
    assert comparison.case == CASE.record()
    assert comparison.baseline == "numpy"
    assert comparison.rows[0].facts == {"versions": {"pretence": "1"}, "blas": [], "variables": {}}


def test_an_older_record_is_read_with_what_it_lacks_missing():
    record = json.loads(json.dumps(fake(Stage()).record()))
    record["meta"]["schema_version"] = 1
    for row in record["comparisons"][0]["rows"]:
        del row["samples"]["crowding"], row["samples"]["retaken"]
    row = only(measurement_from(record, "here")).rows[0]
    assert len(row.samples) == LAUNCHES * ROUNDS
    assert all(math.isnan(sample.crowding) for sample in row.samples)
    assert not any(sample.retaken for sample in row.samples)


# --- What goes wrong is a row, and the others go on -----------------------------------------------------------------


class Wrong(FakeWorker):
    def result(self):
        return super().result() * 1.01


class NotANumber(FakeWorker):
    def result(self):
        return np.full_like(super().result(), math.nan)


class Absent(FakeWorker):
    def prepare(self, case):
        return Prepared("not installed: pip install abacus", 0.0)


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
    measurement = fake(stage)
    comparison = only(measurement)
    row = comparison.row("torch fused")
    assert row.status == status
    assert row.samples == []
    assert re.search(reason, row.reason)
    assert 1 not in stage.asked("torch fused", "prepare")
    others = sorted(name for name in ROWS if name != "torch fused")
    assert all(sorted(order) == others for order in orders(comparison))
    assert {comparison.row(name).status for name in others} == {TIMED}
    assert comparison.paired("torch fused", "numpy") == []
    json.dumps(measurement.record(), allow_nan=False)


def test_who_does_not_do_the_work_is_timed_whatever_its_answer():
    stage = Stage()
    stage.make["ceiling"] = Wrong
    row = only(fake(stage, names=("numpy", "ceiling"))).row("ceiling")
    assert (row.status, row.errors, len(row.samples)) == (TIMED, [], LAUNCHES * ROUNDS)


def test_who_does_not_do_the_work_may_still_be_missing():
    stage = Stage()
    stage.make["ceiling"] = Absent
    assert only(fake(stage, names=("numpy", "ceiling"))).row("ceiling").status == UNAVAILABLE


def test_who_dies_on_the_way_keeps_its_samples_and_leaves_the_rounds():
    stage = Stage()
    stage.make["fastopt serial"] = DiesInRoundThree
    comparison = only(fake(stage))
    row = comparison.row("fastopt serial")
    assert (row.status, row.reason, len(row.samples)) == (FAILED, "gave no answer", 2)
    assert all(("fastopt serial" in order) == (number <= 1) for number, order in enumerate(orders(comparison)))
    assert len(comparison.row("torch fused").samples) == LAUNCHES * ROUNDS
    assert comparison.paired("fastopt serial", "numpy") == []


def test_who_died_on_one_case_gets_a_new_process_for_the_next():
    stage = Stage()

    class DiesOnSmall(FakeWorker):
        def prepare(self, case):
            if case.n < 100:
                self.alive = False
                raise WorkerError("was killed by SIGSEGV")
            return super().prepare(case)

    stage.make["torch fused"] = DiesOnSmall
    plan = [Planned(UpdateCase("sgd", n, threads=1), ("numpy", "torch fused"), "numpy") for n in (8, 800)]
    small, large = fake(stage, plan=plan).comparisons
    assert small.row("torch fused").status == FAILED
    assert len(large.row("torch fused").hot) == LAUNCHES * ROUNDS


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ((), {}, "one contender or more"),
        (("numpy", "numpy"), {}, "each once"),
        (("abacus",), {}, "unknown update contender"),
        (("numpy",), {"rounds": 0}, "rounds must be"),
        (("numpy",), {"launches": 0}, "launches must be"),
        (("numpy",), {"seed": -1}, "seed must be"),
        (("numpy",), {"min_block_s": 0.0}, "min_block_s must be"),
        (("numpy",), {"min_block_s": math.inf}, "min_block_s must be"),
        (("numpy",), {"budget_s": -1.0}, "budget_s must be"),
        (("numpy",), {"precision": math.nan}, "precision must be"),
    ],
)
def test_what_cannot_be_measured_is_refused(names, options, message):
    baseline = names[0] if names else ""
    with pytest.raises(ConfigError, match=message):
        Measuring([Planned(CASE, names, baseline)], Protocol(**options), {})


def test_a_baseline_that_takes_no_part_is_refused():
    with pytest.raises(ConfigError, match="unknown baseline"):
        Measuring([Planned(CASE, ("numpy",), "torch foreach")], Protocol(), {})


def test_a_row_that_took_no_part_is_refused():
    with pytest.raises(ConfigError, match="unknown contender of this comparison"):
        only(fake(Stage())).row("torch foreach")


# --- In earnest -----------------------------------------------------------------------------------------------------


def test_real_workers_are_checked_timed_and_described():
    case = UpdateCase("adam", 1000, threads=1)
    plan = [Planned(case, ("fastopt serial", "numpy"), "fastopt serial")]
    how = Protocol(launches=2, rounds=2, min_block_s=1e-4, settle_s=0.0, cold=True)
    comparison = only(Measuring(plan, how, {}).run())
    for row in comparison.rows:
        assert (row.status, row.reason) == (TIMED, "")
        assert len(row.hot) == len(row.cold) == 4
        assert min(sample.unit_s for sample in row.samples) > 0
        assert row.prepare_s > 0
        assert row.first_unit_s > 0
        assert 0 <= row.errors[0] <= update_case.TOLERANCES["float32"]
        assert row.facts["versions"]["numpy"] == np.__version__
        assert row.facts["variables"]["OMP_NUM_THREADS"] == "1"
    assert np.shape(comparison.paired("numpy", "fastopt serial")) == (2, 2)
    assert np.shape(comparison.twins) == (2, 2)
