"""What is due next is decided by losses alone: the search and its extension, the confirmation, the final runs."""

import math
import random

import pytest

from fastopt.study import search
from fastopt.study.config import CONFIRM_SEEDS, SEARCH_SEED, StudyConfig
from fastopt.study.loss_course import LossCourse
from fastopt.study.plan import plan
from fastopt.training.datasets import digits

DIGITS = digits()
TUNE, SEEDS = 5, 2
INSIDE = 0.2  # within sgd's range, 0.003 to 10


def study(**settings):
    settings = {"optimizers": ("sgd",), "batch_sizes": ("32",), "tune": TUNE, "seeds": SEEDS} | settings
    return plan(StudyConfig(**settings), DIGITS)


def valley(lowest):
    """A loss by learning rate that is lowest at `lowest`, whatever the seed."""
    return lambda trial: math.log(trial.learning_rate / lowest) ** 2


def carried_out(loss, shuffle=None, **settings):
    """Run a course to its end, one run after another, and return its losses and its chosen rate."""
    one = study(**settings)
    cell, losses = one.cells[0], {}
    while left := [trial for trial in LossCourse(one).due(cell, losses) if trial not in losses]:
        trial = shuffle.choice(left) if shuffle else left[0]
        losses[trial] = loss(trial)
    return losses, LossCourse(one).chosen_rate(cell, losses)


def counted(losses):
    phases = [trial.phase for trial in losses]
    return {phase: phases.count(phase) for phase in dict.fromkeys(phases)}


def test_a_course_is_search_confirmation_and_final_runs():
    losses, rate = carried_out(valley(INSIDE))
    assert counted(losses) == {"search": TUNE, "confirm": 3 * len(CONFIRM_SEEDS), "final": SEEDS}
    assert sum(counted(losses).values()) == LossCourse(study()).n_runs
    assert {trial.learning_rate for trial in losses if trial.phase == "final"} == {rate}
    assert [trial.seed for trial in losses if trial.phase == "final"] == list(range(SEEDS))
    assert {trial.seed for trial in losses if trial.phase == "search"} == {SEARCH_SEED}


def test_each_stage_waits_for_the_whole_of_the_one_before():
    one = study()
    cell, losses = one.cells[0], {}
    trials = LossCourse(one).due(cell, losses)
    assert [trial.phase for trial in trials] == ["search"] * TUNE
    for trial in trials[1:]:
        losses[trial] = valley(INSIDE)(trial)
        assert LossCourse(one).due(cell, losses) == trials
    losses[trials[0]] = valley(INSIDE)(trials[0])
    assert [trial.phase for trial in LossCourse(one).due(cell, losses)[TUNE:]] == ["confirm"] * 6
    assert LossCourse(one).chosen_rate(cell, losses) is None


def test_the_best_three_rates_are_run_again():
    losses, _ = carried_out(valley(INSIDE))
    searched = {trial.learning_rate: loss for trial, loss in losses.items() if trial.phase == "search"}
    again = {trial.learning_rate for trial in losses if trial.phase == "confirm"}
    assert again == set(sorted(searched, key=searched.get)[:3])


def test_a_rate_that_was_lucky_once_is_not_chosen():
    def lucky(trial):
        worst = trial.learning_rate == min(search.trial_rates((3e-3, 10.0), TUNE, SEARCH_SEED)[1:])
        if worst and trial.phase == "search":
            return 0.0
        return 100.0 if worst else 1.0 + valley(INSIDE)(trial)

    losses, rate = carried_out(lucky)
    best_on_one_seed = min((trial for trial in losses if trial.phase == "search"), key=losses.get).learning_rate
    assert losses[next(trial for trial in losses if trial.learning_rate == best_on_one_seed)] == 0.0
    assert rate != best_on_one_seed


@pytest.mark.parametrize("finite", [1, 2])
def test_a_cell_with_fewer_than_three_finite_trials_confirms_those_it_has(finite):
    def only(trial):
        rates = search.trial_rates((3e-3, 10.0), TUNE, SEARCH_SEED)
        return valley(rates[2])(trial) if trial.learning_rate in rates[2 : 2 + finite] else math.inf

    losses, rate = carried_out(only)
    assert counted(losses) == {"search": TUNE, "confirm": finite * len(CONFIRM_SEEDS), "final": SEEDS}
    assert math.isfinite(only(next(trial for trial in losses if trial.learning_rate == rate)))


def test_a_cell_whose_every_trial_diverges_ends_with_its_search():
    losses, rate = carried_out(lambda trial: math.inf)
    assert counted(losses) == {"search": TUNE}
    assert rate is None


def test_a_cell_whose_confirmation_diverges_still_has_a_rate_to_show_it_with():
    losses, rate = carried_out(lambda trial: valley(INSIDE)(trial) if trial.phase == "search" else math.inf)
    assert counted(losses)["final"] == SEEDS
    assert rate is not None


@pytest.mark.parametrize(("lowest", "sign"), [(1e6, 1), (1e-9, -1)])
def test_an_answer_at_the_edge_extends_the_search_twice_at_most_and_is_still_the_outermost(lowest, sign):
    losses, rate = carried_out(valley(lowest))
    tried = sorted(trial.learning_rate for trial in losses if trial.phase == "search")
    assert len(tried) == TUNE + search.EXTENSIONS * search.extension_trials(TUNE)
    assert rate == (tried[-1] if sign > 0 else tried[0])
    first = search.trial_rates((3e-3, 10.0), TUNE, SEARCH_SEED)
    beyond = [value for value in tried if value not in first]
    assert all(value > first[-1] if sign > 0 else value < first[0] for value in beyond)


def test_an_extension_that_finds_the_valley_is_the_last_one():
    first = search.trial_rates((3e-3, 10.0), TUNE, SEARCH_SEED)
    lowest = first[-1] * (10.0 / 3e-3) ** (1.0 / TUNE)  # the first rate of the first extension
    losses, rate = carried_out(valley(lowest))
    assert counted(losses)["search"] == TUNE + search.extension_trials(TUNE)
    assert rate == pytest.approx(lowest)


def test_a_given_rate_needs_final_runs_only():
    losses, rate = carried_out(valley(INSIDE), learning_rate=0.7)
    assert counted(losses) == {"final": SEEDS}
    assert rate == 0.7


@pytest.mark.parametrize("order", range(20))
@pytest.mark.parametrize("lowest", [INSIDE, 1e6, 1e-9])
def test_the_order_in_which_runs_end_changes_nothing(order, lowest):
    def noisy(trial):
        return valley(lowest)(trial) + random.Random(f"{trial}").random()

    expected = carried_out(noisy)
    assert carried_out(noisy, shuffle=random.Random(order)) == expected


@pytest.mark.parametrize("tune", [1, 2, 3, 8])
def test_a_course_ends_for_any_number_of_trials(tune):
    losses, rate = carried_out(valley(1e6), tune=tune)
    assert rate is not None
    assert counted(losses)["confirm"] == min(3, counted(losses)["search"]) * len(CONFIRM_SEEDS)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_record_without_a_finite_loss_ranks_last(value):
    assert LossCourse(study()).result_of({"validation_loss": value}) == math.inf
    assert LossCourse(study()).result_of({}) == math.inf
    assert LossCourse(study()).result_of({"validation_loss": 0.0}) == 0.0
