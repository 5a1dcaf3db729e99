"""The gate over made-up studies: who comes to the goal later is found, and nobody else."""

import math

import numpy as np
import pytest

from fastopt import records
from fastopt.bench.gate import convergence, thresholds
from fastopt.bench.gate.finals import Run
from fastopt.bench.gate.outcome import Outcome
from fastopt.errors import ConfigError
from tests.report.synthetic import store
from tests.report.synthetic_goal import Truth, goal_store

SMALL = {"batches": ("8", "32"), "factors": {"sgd": 1.5, "adam": 1.0}, "tune": 2, "confirm": False, "rounds": 0}
TEN = thresholds.parse(None, convergence.DEFAULT_THRESHOLD)


@pytest.fixture
def study(tmp_path):
    def made(name="study", change=None, **truth):
        folder = tmp_path / name
        found = records.read(folder if folder.exists() else store(folder, **SMALL | truth))
        if change is not None:
            change(found)
        return found

    return made


def later(factor, optimizer="adam", batch="32", seeds=range(100)):
    """Stretch the steps of some final runs."""

    def change(study):
        runs = study.runs
        mine = (runs.phase == "final") & (runs.optimizer == optimizer) & runs.seed.isin(list(seeds))
        mine &= True if batch is None else runs.batch == batch
        rows = study.curves.run_id.isin(runs[mine].run_id)
        study.curves["step"] = np.where(rows, study.curves["step"] * factor, study.curves["step"])

    return change


def judge(before, now, sizes=TEN, **options):
    return convergence.judge(before, now, sizes, **options)


def of(gated, name):
    (result,) = [result for result in gated.results if result.name == name]
    return result


def test_a_study_is_fine_beside_itself(study):
    found = judge(study(), study())
    assert found.exit_code == 0
    assert {result.name for result in found.results} == {
        "sgd, batch 8", "sgd, batch 32", "sgd, all batch sizes", "adam, batch 8", "adam, batch 32",
        "adam, all batch sizes",
    }  # fmt: skip
    assert {result.outcome for result in found.results} == {Outcome.WITHIN}


def test_a_cell_that_is_later_in_all_of_twelve_seeds_is_found(study):
    found = judge(study(seeds=12), study(change=later(1.3)))
    assert found.exit_code == 1
    assert [result.name for result in found.bad] == ["adam, batch 32"]
    assert of(found, "adam, batch 32").ratio.median == pytest.approx(1.3)
    assert of(found, "sgd, batch 8").outcome is Outcome.WITHIN


def test_six_seeds_find_an_optimizer_that_is_later_everywhere_and_suspect_a_cell(study):
    found = judge(study(), study(change=later(1.3, batch=None)))
    assert [result.name for result in found.bad] == ["adam, all batch sizes"]
    assert of(found, "adam, batch 8").outcome is Outcome.SUSPECTED
    one = judge(study(), study(change=later(1.3)))
    assert one.exit_code == 4
    assert of(one, "adam, batch 32").outcome is Outcome.SUSPECTED
    assert "6 of 6 runs later by more than 10 %: too few seeds" in of(one, "adam, batch 32").reason


def test_a_shift_below_the_threshold_is_within(study):
    assert judge(study(seeds=12), study(change=later(1.05))).exit_code == 0
    strict = thresholds.parse("2%", 0.1)
    assert judge(study(), study(change=later(1.05)), strict).exit_code == 1
    loose = thresholds.parse("2%,adam*=20%", 0.1)
    assert judge(study(), study(change=later(1.05)), loose).exit_code == 0


def test_seeds_that_are_later_and_earlier_by_chance_are_not_called(study):
    found = judge(study(seeds=12), study(change=later(1.3, seeds=range(1, 13, 2))))
    assert not found.bad
    assert of(found, "adam, batch 32").outcome is Outcome.UNTOLD


def test_an_earlier_study_is_faster(study):
    found = judge(study(seeds=12), study(change=later(0.7)))
    assert found.exit_code == 0
    assert of(found, "adam, batch 32").outcome is Outcome.FASTER


def test_runs_that_diverge_now_come_infinitely_late(study):
    found = judge(study(seeds=12), study("now", seeds=12, diverged={("adam", "32"): 12}))
    assert of(found, "adam, batch 32").outcome is Outcome.SLOWER
    assert math.isinf(of(found, "adam, batch 32").current)
    assert found.record()["rows"][3]["current"] is None


def test_five_seeds_tell_nothing(study):
    found = judge(study(seeds=5), study(change=later(2.0, batch=None)))
    assert found.exit_code == 4
    assert {result.reason for result in found.results} == {"5 seeds can be compared, 6 are needed"}


def test_only_seeds_that_both_have_count(study):
    found = judge(study(seeds=12), study("now", seeds=6))
    assert all("of 6 runs" in of(found, f"adam, batch {size}").reason for size in (8, 32))


def test_a_goal_can_be_stated(study):
    loose = judge(study(), study(), goal=1.0)
    assert of(loose, "adam, batch 8").baseline < of(judge(study(), study()), "adam, batch 8").baseline
    with pytest.raises(ConfigError, match="--goal"):
        judge(study(), study(), goal=math.nan)


def test_a_goal_that_nobody_reaches_tells_nothing(study):
    found = judge(study(), study(), goal=1e-9)
    assert found.exit_code == 4
    assert {result.reason for result in found.results} == {"0 seeds can be compared, 6 are needed"}


def test_a_goal_that_only_the_baseline_reaches_is_infinitely_late_now(study):
    losses = study(seeds=12).runs.query("phase == 'final' and optimizer == 'adam' and batch == '8'").validation_loss
    now = study("now", seeds=12, factors={"sgd": 1.5, "adam": 3.0})
    found = of(judge(study(), now, goal=float(losses.max())), "adam, batch 8")
    assert found.outcome is Outcome.SLOWER
    assert math.isinf(found.ratio.median)


def test_runs_of_the_baseline_that_diverged_are_no_pairs(study):
    found = judge(study(seeds=12, diverged={("adam", "8"): 6, ("adam", "32"): 12}), study("now", seeds=12))
    assert "of 6 runs" in of(found, "adam, batch 8").reason
    assert of(found, "adam, batch 32").reason == "0 seeds can be compared, 6 are needed"


def test_studies_without_a_cell_in_common_have_nothing_to_compare(study):
    found = judge(study(), study("now", factors={"rmsprop": 1.0}))
    assert found.exit_code == 3
    assert found.notes[0].startswith("4 cells of the baseline not in the current study: sgd, batch 8")


def test_studies_of_different_problems_are_refused(study):
    with pytest.raises(ConfigError, match=r"not of one problem: budget .*'epochs': 20.*'epochs': 5"):
        judge(study(), study("now", epochs=5))
    with pytest.raises(ConfigError, match='no row for --threshold "update"; groups here: convergence'):
        judge(study(), study(), thresholds.parse("update=5%", 0.1))


@pytest.mark.parametrize(
    ("goal", "steps"),
    [(3.0, 0.0), (2.0, 0.0), (1.5, 5.0), (1.0, 10.0), (0.75, 20.0), (0.5, 30.0), (0.4, math.inf)],
)
def test_steps_to_a_goal_lie_on_a_straight_line_between_evaluations(goal, steps):
    run = Run(0.5, np.array([0.0, 10.0, 30.0, 50.0]), np.array([2.0, 1.0, 0.5, 0.9]))
    assert run.steps_to(goal) == pytest.approx(steps)


def test_a_run_that_comes_back_from_an_infinite_loss_counts_from_its_next_evaluation():
    run = Run(0.5, np.array([0.0, 10.0, 30.0]), np.array([2.0, math.inf, 0.5]))
    assert run.steps_to(1.0) == 30.0


def towards(folder, **truth):
    return records.read(goal_store(folder, **{"batches": (4, 16), "seeds": 12} | truth))


def test_studies_towards_a_goal_are_compared_by_their_steps_to_it(tmp_path):
    before = towards(tmp_path / "before")
    assert {result.outcome for result in judge(before, towards(tmp_path / "same")).results} == {Outcome.WITHIN}
    later = {"sgd": Truth(s_min=300.0), "adam": Truth(s_min=160.0)}
    gated = judge(before, towards(tmp_path / "later", truths=later))
    assert of(gated, "adam, batch 4").outcome == Outcome.SLOWER
    assert of(gated, "adam, all batch sizes").ratio.median == pytest.approx(1.6, rel=0.1)
    assert of(gated, "sgd, batch 4").outcome == Outcome.WITHIN


def test_a_run_that_misses_its_goal_now_is_infinitely_late(tmp_path):
    before, now = towards(tmp_path / "before"), towards(tmp_path / "now", missed={("adam", 4): 11})
    assert of(judge(before, now), "adam, batch 4").outcome == Outcome.SLOWER


def test_studies_towards_other_goals_are_refused(tmp_path):
    goal = {"metric": "train_loss", "value": 0.2, "in_a_row": 2}
    with pytest.raises(ConfigError, match="goal"):
        judge(towards(tmp_path / "before"), towards(tmp_path / "now", goal=goal))
