"""A study towards a goal on real data: it ends there, whatever its workers, breaks and budgets."""

import contextlib
import functools
import itertools
import math

import pytest

from fastopt import records, report
from fastopt.analysis.hits import find_hit
from fastopt.errors import ConfigError
from fastopt.study import baseline, work
from fastopt.study.ahead import check_ahead
from fastopt.study.baseline import with_value
from fastopt.study.config import StudyConfig
from fastopt.study.done import look_back
from fastopt.study.plan import plan
from fastopt.study.runner import Runner
from fastopt.training.budget import Budget
from fastopt.training.datasets import digits, make_linear
from tests.study.test_runner import Recorder, same

DIGITS = digits()
TINY = {
    "goal": "train_loss=0.5",
    "model": "softmax",
    "optimizers": ("sgd", "adam"),
    "batch_sizes": ("4", "32", "256"),
    "seeds": 2,
    "length": Budget(epochs=12),
    "tune": 4,
    "timing_rounds": 2,
    "workers": 2,
}


def study(**settings):
    return plan(StudyConfig(**TINY | settings), DIGITS)


def run(folder, observer=None, clock=None, budget_s=None, **settings):
    """Run a tiny study, or go on with it, and return its records."""
    wanted = study(**settings)
    with contextlib.closing(records.Writer(folder)) as writer:
        done = look_back(wanted, records.read(folder))
        writer.meta(environment={"fastopt": wanted.identity["fastopt"]}, **wanted.facts())
        clocked = {} if clock is None else {"clock": clock}
        Runner(wanted, writer, observer or Recorder(), done, budget_s=budget_s, **clocked).run()
    return records.read(folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(tmp_path_factory.mktemp("goal"))


def test_every_cell_is_searched_confirmed_and_run_on_fresh_seeds(finished):
    for _, rows in finished.runs.groupby(["optimizer", "batch"]):
        phases = rows["phase"].value_counts()
        assert phases["search"] == 4
        assert phases["confirm"] in (2, 4, 6)
        assert phases["final"] == 2
        final = rows[rows["phase"] == "final"]
        assert set(final["seed"]) == {0, 1}
        assert final["learning_rate"].nunique() == 1
    assert len(finished.runs.groupby(["optimizer", "batch"])) == 6
    assert finished.meta["status"] == "finished"


def test_a_run_ends_two_looks_into_the_goal_and_its_hit_is_between_looks(finished):
    reached = finished.runs[finished.runs["status"] == "reached"]
    assert len(reached) > 20
    for run in reached.itertuples():
        curve = finished.curves[finished.curves["run_id"] == run.run_id]
        met = list(curve["train_loss"] <= 0.5)
        assert met[-2:] == [True, True]
        assert not any(one and other for one, other in itertools.pairwise(met[:-1]))
        assert list(curve["step"])[-3:-1] == [run.hit_after, run.hit_by]
        assert find_hit(list(curve["step"]), met) == (run.hit_after, run.hit_by)


def test_a_run_that_misses_says_how_near_it_came_and_has_no_hit(finished):
    missed = finished.runs[finished.runs["status"].isin(["finished", "diverged"])]
    assert len(missed) > 0
    assert missed["hit_by"].isna().all()
    for run in missed[missed["status"] == "finished"].itertuples():
        losses = finished.curves.loc[finished.curves["run_id"] == run.run_id, "train_loss"]
        assert run.goal_best == losses.min()
        assert not any(one <= 0.5 and other <= 0.5 for one, other in itertools.pairwise(losses))


def test_no_run_goes_beyond_its_cutoff_which_is_four_times_the_fewest_steps_before(finished):
    given = finished.runs.dropna(subset=["cutoff"])
    assert (given["steps"] <= given["cutoff"]).all()
    middle = finished.runs[(finished.runs["batch"] == "32") & (finished.runs["phase"] == "search")]
    for _, rows in middle.groupby("optimizer"):
        fewest = math.inf
        for run in rows.itertuples():  # stored in the order in which they ended, one after another
            assert math.isnan(run.cutoff) if math.isinf(fewest) else run.cutoff == math.ceil(4 * fewest)
            if not math.isnan(run.hit_by):
                fewest = min(fewest, math.sqrt(run.hit_after * run.hit_by) if run.hit_after else run.hit_by)


def test_looks_are_at_the_goals_rows_only_and_hold_gradients_of_two_batch_sizes(finished):
    curves = finished.curves.merge(finished.runs[["run_id", "batch_size"]], on="run_id")
    assert curves["validation_loss"].isna().all()
    assert curves["train_loss"].notna().all()
    trained = curves[curves["step"] > 0]
    assert trained.loc[trained["batch_size"] < 8, "big"].isna().all()
    split = trained[trained["batch_size"] >= 8]
    assert split["big"].notna().all()
    assert (split["small"] < split["big"]).all()
    assert (split["small_square"] >= split["big_square"] * (1 - 1e-6)).all()  # a mean is no longer than its parts


def test_each_cell_is_timed_whole_and_without_each_phase(finished):
    for _, rows in finished.timings.groupby(["optimizer", "batch", "round"]):
        assert sorted(rows["left_out"]) == ["", "model", "order", "update"]


def test_the_test_set_is_opened_for_final_runs_only(finished):
    final = finished.runs[finished.runs["test_loss"].notna()]
    assert set(final["phase"]) == {"final"}


def test_its_page_can_be_made(finished):
    assert report.write(finished.folder)[0].is_file()


def test_the_number_of_workers_changes_no_record(tmp_path, finished):
    assert same(run(tmp_path, workers=1, timing_rounds=0), finished)


def test_a_study_that_is_broken_off_goes_on_to_the_same_records(tmp_path, finished):
    class Impatient(Recorder):
        def advance(self, work):
            super().advance(work)
            self.stages.append("run")
            if self.stages.count("run") == self.most:
                raise KeyboardInterrupt

    for most in (3, 15, 15):
        observer = Impatient()
        observer.most = most
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, observer, timing_rounds=0)
    assert same(run(tmp_path, timing_rounds=0), finished)


class Hurried:
    """A clock that jumps ahead when it was looked at so many times."""

    def __init__(self, looks, jump):
        self.left, self.jump, self.now = looks, jump, 0.0

    def __call__(self):
        self.left -= 1
        self.now += 1e-3 if self.left else self.jump
        return self.now


def test_a_budget_leaves_out_what_it_does_not_hold_and_says_so_and_resuming_does_the_rest(tmp_path, finished):
    found = run(tmp_path, clock=Hurried(12, 3_595.0), budget="1h", timing_rounds=1)
    assert found.meta["status"] == "budget"
    assert 0 < len(found.runs) < len(finished.runs)
    assert not set(found.runs["status"]) & {"interrupted", "failed"}
    assert set(found.runs["run_id"]) <= set(finished.runs["run_id"])
    assert report.write(tmp_path)[0].is_file()
    whole = run(tmp_path, budget="1h", timing_rounds=1)
    assert whole.meta["status"] == "finished"
    assert same(whole, finished)
    assert len(whole.timings) == 6 * 4


def test_what_matters_most_comes_first(tmp_path):
    found = run(tmp_path, workers=1, timing_rounds=0)
    first = found.runs.drop_duplicates(["optimizer", "batch"])
    assert list(first["batch"])[:2] == ["32", "32"]
    late = found.runs[(found.runs["phase"] == "final") & (found.runs["seed"] >= 3)]
    assert late.empty


def test_progress_comes_to_an_end(tmp_path):
    observer = Recorder()
    run(tmp_path, observer, timing_rounds=0)
    assert observer.done == pytest.approx(observer.work)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"goal": "train_loss=100"}, ["train_loss=100", "met before the first step", "harder"]),
        ({"goal": "validation_accuracy=0.01"}, ["met before the first step"]),
        ({"budget": "1s"}, ["--budget 1s", "too small", "give", "or more"]),
        ({"goal": "train_loss", "budget": "1s"}, ["--budget 1s", "too small", "the value of the goal"]),
    ],
)
def test_what_can_be_known_to_be_wrong_is_said_before_the_first_run(settings, words):
    with pytest.raises(ConfigError) as raised:
        check_ahead(study(**settings))
    assert all(word in str(raised.value) for word in words), raised.value
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"goal": "loss=1"}, ['"loss"', "train_loss"]),
        ({"goal": "loss"}, ["validation_loss=0.4"]),
        ({"goal": "train_loss=low"}, ["validation_loss=0.4"]),
        ({"goal": None, "budget": "1h"}, ["--goal"]),
        ({"budget": "soon"}, ["soon", "45m"]),
        ({"learning_rate": 0.1}, ["--learning-rate"]),
        ({"tune": 0}, ["tune 0"]),
        ({"length": Budget(seconds=1.0)}, ["steps", "epochs"]),
    ],
)
def test_settings_that_do_not_go_with_a_goal_are_refused(settings, words):
    with pytest.raises(ConfigError) as raised:
        study(**settings)
    assert all(word in str(raised.value) for word in words), raised.value


def test_a_goal_of_accuracy_where_nothing_can_be_classified_is_refused():
    config = StudyConfig(goal="validation_accuracy=0.9", model="linear", batch_sizes=("8",))
    with pytest.raises(ConfigError, match="not classes"):
        plan(config, make_linear(200))


def test_more_cells_take_longer_to_time():
    assert work.timing_pass_s(study(), 3) > work.timing_pass_s(study(optimizers=("sgd",)), 3) > work.START_S
    assert work.timing_pass_s(study(), 0) == 0.0


def test_a_goal_without_a_value_is_what_tuned_sgd_reaches_at_the_middle_batch_size(tmp_path):
    asked = study(goal="train_loss", length=Budget(epochs=4))
    assert asked.goal is None
    found = with_value(asked, tmp_path, Recorder())
    runs = records.read(tmp_path / "baseline").runs
    assert set(runs["optimizer"]) == {"sgd"}
    assert set(runs["batch"]) == {"32"}
    final = runs[runs["phase"] == "final"]
    assert sorted(final["seed"]) == [2_000_000, 2_000_001, 2_000_002]
    curves = records.read(tmp_path / "baseline").curves
    best = [max_of_two(curves.loc[curves["run_id"] == run, "train_loss"]) for run in final["run_id"]]
    assert found.goal.metric == "train_loss"
    assert found.goal.value == pytest.approx(sorted(best)[1], rel=1e-5)
    assert found.cells == asked.cells
    again = with_value(asked, tmp_path, Recorder())  # it is read, and not run again
    assert again.goal == found.goal
    assert len(records.read(tmp_path / "baseline").runs) == len(runs)


def max_of_two(losses):
    """The lowest loss that was held at two looks in a row."""
    return min(max(one, other) for one, other in itertools.pairwise(losses))


def test_what_a_baseline_took_is_gone_from_the_budget(tmp_path):
    found = run(tmp_path, clock=lambda: 0.0, budget_s=1.0, budget="1h", timing_rounds=1)
    assert found.meta["status"] == "budget"
    assert not len(found.runs)


def test_a_budget_that_a_baseline_uses_up_is_refused_and_a_larger_one_goes_on(tmp_path, monkeypatch):
    asked = study(goal="train_loss", budget="1h")
    hurried = functools.partial(Runner, clock=Hurried(6, 3_700.0))
    monkeypatch.setattr(baseline, "Runner", hurried)
    with pytest.raises(ConfigError, match="budget of 1h was spent on finding a value"):
        with_value(asked, tmp_path, Recorder())
    n_runs = len(records.read(tmp_path / "baseline").runs)
    monkeypatch.undo()
    assert with_value(asked, tmp_path, Recorder()).goal.metric == "train_loss"
    assert len(records.read(tmp_path / "baseline").runs) > n_runs


def test_baseline_runs_that_diverged_hold_what_they_held_before(tmp_path):
    kept = with_value(study(goal="train_loss", length=Budget(epochs=4)), tmp_path, Recorder()).goal.value
    found = records.read(tmp_path / "baseline")
    worst = found.runs[found.runs["phase"] == "final"].set_index("run_id")["train_loss"].idxmax()
    found.runs.loc[found.runs["run_id"] == worst, "status"] = "diverged"
    found.curves.loc[(found.curves["run_id"] == worst) & (found.curves["point"] > 3), "train_loss"] = math.nan
    assert baseline.reached(found, "train_loss") == pytest.approx(kept, rel=1e-5)  # it was the worst, and still is
    found.runs.loc[found.runs["phase"] == "final", "status"] = "failed"
    with pytest.raises(ConfigError, match="held any train_loss: name a value"):
        baseline.reached(found, "train_loss")


def test_the_metric_of_a_goal_without_a_value_must_suit_the_data():
    with pytest.raises(ConfigError, match="goal validation_accuracy: data set"):
        plan(StudyConfig(goal="validation_accuracy", model="linear", batch_sizes=("8",)), make_linear(200))


def test_a_study_that_has_a_value_needs_no_baseline(tmp_path):
    asked = study()
    assert with_value(asked, tmp_path, Recorder()) is asked
    assert not list(tmp_path.iterdir())


def test_a_baseline_tunes_its_rate_alone(tmp_path):
    asked = study(goal="validation_accuracy", length=Budget(epochs=2), tune_also={"adam.beta2": (0.9, 0.999)})
    found = with_value(asked, tmp_path, Recorder())
    assert 0.5 < found.goal.value <= 1.0
    assert found.config.tune_also == asked.config.tune_also
