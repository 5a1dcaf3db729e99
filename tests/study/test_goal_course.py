"""The course towards a goal: waves of trials that cut each other off, the best again, and final runs."""

import math
import random

import pytest

from fastopt.errors import ConfigError
from fastopt.study import waves
from fastopt.study.config import CONFIRM_SEEDS, SEARCH_SEED, StudyConfig
from fastopt.study.goal_course import GoalCourse, Result
from fastopt.study.plan import plan
from fastopt.study.trial import run_id
from fastopt.training.datasets import digits

DIGITS = digits()
TUNE, SEEDS, BEST = 6, 4, 0.2


def course(**settings):
    settings = {"optimizers": ("sgd",), "batch_sizes": ("8", "32", "128"), "tune": TUNE, "seeds": SEEDS} | settings
    return GoalCourse(plan(StudyConfig(**{"goal": "train_loss=0.1"} | settings), DIGITS))


def steps_of(trial, best=BEST):
    """Steps to the goal, fewest at `best`; a miss where the cutoff is smaller."""
    steps = 6400 / trial.cell.batch_size * (1.0 + math.log(trial.learning_rate / best) ** 2)
    return steps if trial.cutoff is None or steps <= trial.cutoff else math.inf


def result(trial, best=BEST):
    return Result(steps_of(trial, best), 0.1, 1e-3)


def carried_out(one, outcome=result, shuffle=None):
    """Run all cells to their ends, one run after another, and return the results."""
    results = {}
    while left := [t for cell in one.study.cells for t in one.due(cell, results) if t not in results]:
        trial = shuffle.choice(left) if shuffle else left[0]
        results[trial] = outcome(trial)
    return results


def of(results, cell, phase=None):
    return [trial for trial in results if trial.cell == cell and phase in (None, trial.phase)]


def test_a_course_is_search_confirmation_and_final_runs_of_the_rate_with_the_fewest_steps():
    one = course()
    results = carried_out(one)
    for cell in one.study.cells:
        searched = {trial.learning_rate: results[trial].steps for trial in of(results, cell, "search")}
        assert len(searched) == TUNE
        again = {trial.learning_rate for trial in of(results, cell, "confirm")}
        hits = sorted(rate for rate, steps in searched.items() if math.isfinite(steps))
        assert again == set(sorted(hits, key=searched.get)[:3])
        assert len(of(results, cell, "confirm")) == len(again) * len(CONFIRM_SEEDS)
        rate = one.chosen_rate(cell, results)
        assert rate == min(searched, key=searched.get)
        assert [(t.learning_rate, t.seed) for t in of(results, cell, "final")] == [(rate, s) for s in range(SEEDS)]


def test_trials_are_due_one_after_another_and_each_is_given_up_after_four_times_the_best_before():
    one = course(batch_sizes=("32",))
    (cell,), results, best = one.study.cells, {}, math.inf
    for _ in range(TUNE):
        *before, trial = one.due(cell, results)
        assert all(t in results for t in before)
        assert trial.phase == "search"
        assert trial.seed == SEARCH_SEED
        assert trial.cutoff == (None if math.isinf(best) else math.ceil(4.0 * best))
        results[trial] = result(trial)
        best = min(best, results[trial].steps)
    assert {t.cutoff for t in one.due(cell, results)[TUNE:]} == {math.ceil(4.0 * best)}


def test_other_batch_sizes_wait_for_the_search_of_the_middle_one_and_learn_a_cutoff_from_it():
    one = course()
    small, middle, large = one.study.cells
    results = {}
    for _ in range(TUNE):
        assert one.due(small, results) == one.due(large, results) == []
        (trial,) = [trial for trial in one.due(middle, results) if trial not in results]
        results[trial] = result(trial)
    fewest = min(found.steps for found in results.values())
    assert one.due(large, results)[0].cutoff == math.ceil(4.0 * fewest)
    assert one.due(small, results)[0].cutoff == math.ceil(math.ceil(4.0 * fewest) * 32 / 8)  # the same samples
    assert set(one.waiting_for(middle)) == {small, middle, large}
    assert list(one.waiting_for(small)) == [small]


def test_optimizers_do_not_wait_for_each_other():
    one = course(optimizers=("sgd", "adam"))
    assert [bool(one.due(cell, {})) for cell in one.study.cells] == [False, True, False] * 2


def test_where_the_middle_batch_size_never_gets_there_the_others_have_no_cutoff_from_it():
    one = course()
    small, middle, large = one.study.cells

    def never(trial):
        return Result(math.inf, 0.5, 1e-3) if trial.cell == middle else result(trial)

    results = carried_out(one, never)
    assert len(of(results, middle)) == TUNE
    assert one.chosen_rate(middle, results) is None
    assert of(results, large)[0].cutoff is None
    assert len(of(results, large, "final")) == SEEDS
    assert len(of(results, small, "final")) == SEEDS


def test_misses_lead_the_waves_to_the_rate_that_came_nearest():
    one = course(batch_sizes=("32",), tune=12)

    def miss(trial):
        return Result(math.inf, 0.2 + abs(math.log(trial.learning_rate / 0.05)), 1e-3)

    results = carried_out(one, miss)
    rates = [trial.learning_rate for trial in results]
    assert len(rates) == 12
    assert min(abs(math.log(rate / 0.05)) for rate in rates[8:]) < min(abs(math.log(rate / 0.05)) for rate in rates[:4])


def test_a_best_rate_at_the_edge_draws_the_waves_beyond_it():
    one = course(batch_sizes=("32",), tune=12)
    results = carried_out(one, lambda trial: result(trial, 1e3))
    assert max(trial.learning_rate for trial in results) > one.study.ranges["sgd"][1]
    assert len(of(results, one.study.cells[0], "search")) == 12


def test_the_order_in_which_runs_end_changes_nothing():
    one = course(optimizers=("sgd", "adam"))

    def noisy(trial):
        factor = math.exp(random.Random(f"{trial}").gauss(0.0, 0.5))
        return result(trial)._replace(steps=steps_of(trial) * factor)

    expected = carried_out(one, noisy)
    for order in range(10):
        assert carried_out(one, noisy, random.Random(order)) == expected


@pytest.mark.parametrize("tune", [1, 2, 3, 8])
def test_a_course_ends_for_any_number_of_trials(tune):
    one = course(tune=tune)
    results = carried_out(one)
    assert all(one.chosen_rate(cell, results) is not None for cell in one.study.cells)
    assert max(len([t for t in results if t.cell == cell]) for cell in one.study.cells) <= one.n_runs


def test_a_record_becomes_steps_between_its_two_looks_and_a_miss_infinitely_many():
    hit = {"hit_after": 100.0, "hit_by": 400.0, "goal_best": 0.09, "seconds": 2.0, "steps": 500}
    assert course().result_of(hit) == Result(200.0, 0.09, 4e-3)
    missed = course().result_of(hit | {"hit_by": None, "goal_best": 0.3})
    assert missed == Result(math.inf, 0.3, 4e-3)
    accuracy = course(goal="validation_accuracy=0.9").result_of(hit | {"hit_by": math.nan, "goal_best": 0.8})
    assert accuracy.best == -0.8
    failed = course().result_of({"hit_after": None, "hit_by": None, "goal_best": None, "seconds": None, "steps": None})
    assert failed.steps == failed.best == math.inf


def test_the_seconds_of_a_cell_are_those_of_its_fewest_steps():
    one = course()
    assert all(math.isnan(one.seconds(cell, {})) for cell in one.study.cells)
    results = carried_out(one)
    for cell in one.study.cells:
        fewest = min(results[trial].steps for trial in of(results, cell, "search"))
        assert one.seconds(cell, results) == pytest.approx(fewest * 1e-3)
    missed = carried_out(one, lambda trial: Result(math.inf, 0.5, 1e-3))
    assert all(one.seconds(cell, missed) == math.inf for cell in one.study.cells)


def test_the_cutoff_is_stated_with_the_settings():
    facts = course().study.facts()["config"]
    assert facts["cutoff"] == waves.CUTOFF == 4.0
    assert facts["goal"] == {"metric": "train_loss", "value": 0.1, "in_a_row": 2}
    assert facts["waves"] == 3


def test_other_hyperparameters_are_tuned_beside_the_rate_and_go_with_it():
    one = course(optimizers=("adam", "sgd"), batch_sizes=("32",), tune=9, tune_also={"adam.beta2": (0.9, 0.9999)})
    adam, sgd = one.study.cells

    def outcome(trial):
        also = dict(trial.options).get("beta2", 0.99)
        return Result(steps_of(trial) * (1 + math.log((1 - also) / 0.01) ** 2), 0.1, 1e-3)

    results = carried_out(one, outcome)
    searched = of(results, adam, "search")
    assert len({dict(trial.options)["beta2"] for trial in searched}) == 9
    best = min(searched, key=lambda trial: results[trial].steps)
    for trial in of(results, adam, "final"):
        assert (trial.learning_rate, trial.options) == (best.learning_rate, best.options)
    assert abs(math.log((1 - dict(best.options)["beta2"]) / 0.01)) < 1.5
    assert all(trial.options == () for trial in of(results, sgd))
    assert len({run_id(one.study, trial) for trial in results}) == len(results)


@pytest.mark.parametrize(
    ("also", "words"),
    [
        ({"lion.beta1": (0.5, 0.9)}, ['"lion"', "sgd"]),
        ({"sgd.beta2": (0.5, 0.9)}, ['"beta2"']),
        ({"adam.learning_rate": (0.5, 0.9)}, ['"learning_rate"']),
        ({"adam.beta2": (0.9, 1.5)}, ["below 1"]),
        ({"adam.eps": (1e-3, 1e-8)}, ["lowest", "highest"]),
    ],
)
def test_what_cannot_be_tuned_is_refused(also, words):
    with pytest.raises(ConfigError) as raised:
        course(optimizers=("sgd", "adam"), tune_also=also)
    assert all(word in str(raised.value) for word in words), raised.value
