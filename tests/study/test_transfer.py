"""The rules say what their papers say."""

import math

import pytest

from fastopt.study.config import StudyConfig
from fastopt.study.goal_course import GoalCourse, Result
from fastopt.study.plan import plan
from fastopt.study.transfer import WARM_UP_EPOCHS, rules_for, transferred
from fastopt.study.trial import make_run, run_id
from fastopt.training.datasets import digits

DIGITS = digits()


def test_the_linear_rule_multiplies_the_rate_and_warms_up_larger_batches_from_the_old_one():
    larger = transferred("linear", "sgd", 0.1, 8.0)
    assert larger.learning_rate == pytest.approx(0.8)
    assert (larger.warmup_epochs, larger.warmup_from) == (WARM_UP_EPOCHS, 1 / 8) == (5, 0.125)
    smaller = transferred("linear", "sgd", 0.1, 0.25)
    assert smaller.learning_rate == pytest.approx(0.025)
    assert smaller.warmup_epochs == 0


@pytest.mark.parametrize("k", [0.25, 4.0])
def test_the_square_root_rule_scales_averages_and_eps_too(k):
    found = transferred("square_root", "adam(beta1=0.8)", 0.01, k)
    options = dict(found.options)
    assert found.learning_rate == pytest.approx(0.01 * math.sqrt(k))
    assert options["beta1"] == pytest.approx(1 - k * 0.2)
    assert options["beta2"] == pytest.approx(1 - k * 0.001)
    assert options["eps"] == pytest.approx(1e-8 / math.sqrt(k))
    assert set(dict(transferred("square_root", "rmsprop", 0.01, k).options)) == {"beta", "eps"}


@pytest.mark.parametrize(("k", "applicable"), [(9.0, True), (10.0, False), (64.0, False)])
def test_the_square_root_rule_ends_where_an_average_is_of_less_than_one_step(k, applicable):
    assert (transferred("square_root", "adam", 0.01, k) is not None) == applicable


def test_rules_belong_to_the_optimizers_they_were_proposed_for():
    assert rules_for("sgd") == rules_for("momentum(form=heavy_ball)") == ("linear",)
    assert rules_for("adam(beta2=0.99)") == rules_for("rmsprop") == ("square_root",)
    assert rules_for("lion") == ()


def course(**settings):
    settings = {"optimizers": ("sgd", "adam"), "batch_sizes": ("8", "32", "128"), "tune": 3, "seeds": 2} | settings
    return GoalCourse(plan(StudyConfig(goal="train_loss=0.1", transfer=True, **settings), DIGITS))


def carried_out(one):
    results = {}
    while left := [t for cell in one.study.cells for t in one.due(cell, results) if t not in results]:
        results[left[0]] = Result(1000.0 * (1 + math.log(left[0].learning_rate / 0.1) ** 2), 0.1, 1e-3)
    return results


def test_rules_are_tested_on_the_seeds_of_the_final_runs_at_all_but_the_middle_batch_size():
    one = course()
    results = carried_out(one)
    for cell in one.study.cells:
        ruled = [trial for trial in results if trial.cell == cell and trial.phase == "transfer"]
        finals = [trial for trial in results if trial.cell == cell and trial.phase == "final"]
        if cell.batch == "32":
            assert ruled == []
            continue
        assert [trial.seed for trial in ruled] == [0, 1]
        assert {trial.cutoff for trial in ruled} == {trial.cutoff for trial in finals}
        middle = one.chosen_rate(one.middle(cell), results)
        k = cell.batch_size / 32
        factor = k if cell.optimizer == "sgd" else math.sqrt(k)
        assert ruled[0].learning_rate == pytest.approx(middle * factor)


def test_without_asking_no_rule_is_tested():
    one = course()
    plain = GoalCourse(plan(StudyConfig(goal="train_loss=0.1", batch_sizes=("8", "32"), tune=3, seeds=2), DIGITS))
    assert {trial.phase for trial in carried_out(one)} - {trial.phase for trial in carried_out(plain)} == {"transfer"}


def test_a_run_takes_over_what_the_rule_changes():
    import numpy as np

    one = course()
    trials = [trial for trial in carried_out(one) if trial.phase == "transfer"]
    sgd = next(trial for trial in trials if trial.cell.optimizer == "sgd" and trial.cell.batch == "128")
    adam = next(trial for trial in trials if trial.cell.optimizer == "adam" and trial.cell.batch == "128")
    stop = np.zeros(1, dtype=np.int64)
    run = make_run(one.study, sgd.cell, sgd.learning_rate, 0, stop, parallel=False, carried=sgd.carried)
    run.advance(128)
    assert run.hyper[0] == pytest.approx(sgd.learning_rate / 4)  # warms up from the old rate
    run.advance((WARM_UP_EPOCHS + 1) * DIGITS.train.size)
    assert run.hyper[0] == pytest.approx(sgd.learning_rate)
    run = make_run(one.study, adam.cell, adam.learning_rate, 0, stop, parallel=False, options=adam.options)
    assert run.hyper[1] == pytest.approx(1 - 4 * 0.1)
    assert run_id(one.study, sgd) != run_id(one.study, adam)
