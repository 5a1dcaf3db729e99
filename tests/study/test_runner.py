"""A study runs to its end whatever its runs do, and its records hold the same numbers on any number of threads."""

import contextlib
import math
import threading

import pytest

from fastopt import records, report
from fastopt.errors import StoreError
from fastopt.optimizers import Optimizer
from fastopt.study import executor
from fastopt.study.config import StudyConfig
from fastopt.study.done import look_back
from fastopt.study.plan import plan
from fastopt.study.runner import Runner
from fastopt.training.budget import Budget
from fastopt.training.datasets import digits

DIGITS = digits()
N = int(DIGITS.train.size)
TINY = {
    "model": "softmax",
    "optimizers": ("sgd", "adam"),
    "batch_sizes": ("32", "full"),
    "seeds": 2,
    "length": Budget(epochs=2),
    "tune": 3,
    "timing_rounds": 2,
    "workers": 2,
}
CELLS = [("sgd", "32"), ("sgd", "full"), ("adam", "32"), ("adam", "full")]
CLOCKS = ["seconds"]  # what no two runs share


class Recorder:
    """An observer that keeps what it is told: the stages, how much work there was said to be, and how much was done."""

    def __init__(self):
        self.stages, self.work, self.done = [], 0.0, 0.0

    def begin(self, work):
        self.work = work

    def stage(self, name):
        self.stages.append(name)

    def advance(self, work):
        assert work > 0
        assert threading.current_thread() is threading.main_thread()
        self.done += work

    def revise(self, work):
        self.work += work


def run(folder, observer=None, **settings):
    """Run a tiny study, or go on with it, and return its records."""
    study = plan(StudyConfig(**TINY | settings), DIGITS)
    with contextlib.closing(records.Writer(folder)) as writer:
        found = records.read(folder)
        done = look_back(study, found)
        writer.meta(environment={"fastopt": study.identity["fastopt"]}, **study.facts())
        Runner(study, writer, observer or Recorder(), done).run()
    return records.read(folder)


def results(found):
    """Runs and curves without clocks, in an order of their own."""
    runs = found.runs.drop(columns=CLOCKS).sort_values("run_id", ignore_index=True)
    return runs, found.curves.drop(columns=CLOCKS).sort_values(["run_id", "point"], ignore_index=True)


def same(one, two):
    return all(len(ours) > 0 and ours.equals(theirs) for ours, theirs in zip(results(one), results(two), strict=True))


def by_cell(frame):
    return dict(list(frame.groupby(["optimizer", "batch"], sort=False)))


@pytest.fixture(scope="module")
def observer():
    return Recorder()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, observer):
    return run(tmp_path_factory.mktemp("finished"), observer)


def test_every_cell_has_its_trials_its_confirmation_and_its_final_runs(finished):
    counts = finished.runs.groupby(["optimizer", "batch", "phase"]).size().to_dict()
    for cell in CELLS:
        assert counts[(*cell, "search")] in (3, 4, 5)  # one more for each extension
        assert counts[(*cell, "confirm")] == 3 * 2
        assert counts[(*cell, "final")] == 2
    assert set(finished.runs["status"]) == {"finished"}
    assert finished.runs["run_id"].is_unique


def test_every_run_has_its_curve(finished):
    assert set(finished.curves["run_id"]) == set(finished.runs["run_id"])
    ends = finished.curves.groupby("run_id")["samples"].max()
    assert (ends == 2 * N).all()


def test_confirmation_and_final_runs_are_on_fresh_seeds(finished):
    seeds = {phase: set(rows["seed"]) for phase, rows in finished.runs.groupby("phase")}
    assert seeds["final"] == {0, 1}
    assert (len(seeds["search"]), len(seeds["confirm"])) == (1, 2)
    assert len(set.union(*seeds.values())) == 5


def test_all_cells_of_an_optimizer_begin_with_the_same_rates(finished):
    search = by_cell(finished.runs[finished.runs["phase"] == "search"])
    ranges = finished.meta["config"]["learning_rate_ranges"]
    for optimizer in ("sgd", "adam"):
        low, high = ranges[optimizer]
        rates = [search[optimizer, batch]["learning_rate"] for batch in ("32", "full")]
        within = [sorted(tried[tried.between(low, high)]) for tried in rates]
        assert within[0] == within[1]
        assert len(set(within[0])) == 3


def test_the_chosen_rate_is_the_one_with_the_lowest_median_over_search_and_confirmation(finished):
    for rows in by_cell(finished.runs).values():
        again = rows[rows["phase"] == "confirm"]
        rates = again["learning_rate"].unique()
        tried = rows[rows["phase"] != "final"]
        medians = tried[tried["learning_rate"].isin(rates)].groupby("learning_rate")["validation_loss"].median()
        assert set(rows.loc[rows["phase"] == "final", "learning_rate"]) == {medians.idxmin()}
        searched = rows[rows["phase"] == "search"].nsmallest(3, "validation_loss")
        assert set(searched["learning_rate"]) == set(rates)


def test_the_test_set_is_opened_for_final_runs_only(finished):
    is_final = finished.runs["phase"] == "final"
    for name in ("test_loss", "test_accuracy"):
        assert (finished.runs[name].notna() == is_final).all()


def test_every_cell_is_timed_in_every_round(finished):
    found = finished.timings
    assert found.groupby(["optimizer", "batch"]).size().to_dict() == dict.fromkeys(CELLS, 2)
    assert (found["time_s"] > 0).all()
    assert found.drop(columns=["others_s", "steal_s", "order_s"]).notna().all().all()  # which not every system tells
    for _, rows in found.groupby("round"):
        assert sorted(rows["position"]) == [0, 1, 2, 3]


def test_the_work_done_adds_up_to_the_work_there_was(finished, observer):
    assert observer.stages == ["compiling", "training", "timing"]
    assert observer.done == pytest.approx(observer.work)


def test_a_finished_study_says_so_and_how_long_compiling_took(finished):
    assert finished.meta["status"] == "finished"
    assert 0 < finished.meta["compile_time_s"] < 600


def test_what_runs_call_is_compiled_before_the_first_of_them(tmp_path, monkeypatch):
    """By the main thread: a worker would do it within the training stage. One row and more call different updates."""
    where = {}
    for kind in ("compiled", "compiled_factored"):
        inner = getattr(Optimizer, kind)

        def spied(self, *args, inner=inner, kind=kind, **options):
            where.setdefault((kind, type(self)), threading.current_thread())
            return inner(self, *args, **options)

        monkeypatch.setattr(Optimizer, kind, spied)
    run(tmp_path, optimizers=("sgd", "adam"), batch_sizes=("1", "32"), timing_rounds=0)
    assert {kind for kind, _ in where} == {"compiled", "compiled_factored"}
    assert len(where) == 4
    assert set(where.values()) == {threading.main_thread()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_and_choices_are_the_same_bits_on_one_worker_and_on_more(tmp_path, dtype):
    found = []
    for workers in (1, 2, 5):
        (tmp_path / f"{workers}").mkdir()
        found.append(run(tmp_path / f"{workers}", workers=workers, dtype=dtype, timing_rounds=0))
    assert same(found[0], found[1])
    assert same(found[0], found[2])


@pytest.mark.parametrize("left", [0, 1, 5, 20, 40])
def test_a_study_that_goes_on_has_the_records_of_one_that_was_never_broken_off(tmp_path, finished, left):
    """It is broken off by an observer, after so many runs; the rest is done by another Runner."""

    class Impatient(Recorder):
        def advance(self, work):
            super().advance(work)
            if "training" in self.stages and len(records.read(tmp_path).runs) > left:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Impatient())
    broken_off = records.read(tmp_path)
    assert broken_off.meta["status"] == "interrupted"
    assert len(broken_off.runs) < len(finished.runs)
    observer = Recorder()
    found = run(tmp_path, observer)
    assert same(found, finished)
    assert list(found.runs["run_id"][: len(broken_off.runs)]) == list(broken_off.runs["run_id"])
    assert found.meta["status"] == "finished"
    assert observer.done == pytest.approx(observer.work)


def test_a_study_that_is_broken_off_while_it_is_timed_keeps_its_whole_rounds(tmp_path):
    class Impatient(Recorder):
        def advance(self, work):
            super().advance(work)
            if "timing" in self.stages:
                self.stages.append("a block")
                if self.stages.count("a block") == 10:  # 4 of the warm-up, 4 of the first round, 2 of the second
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Impatient(), timing_rounds=3)
    before = records.read(tmp_path)
    assert list(before.timings["round"]) == [1] * 4
    after = run(tmp_path, timing_rounds=3)
    assert after.timings.groupby("round").size().to_dict() == {1: 4, 2: 4, 3: 4}
    assert after.timings[after.timings["round"] == 1].reset_index(drop=True).equals(before.timings)
    assert after.meta["compile_time_s"] == before.meta["compile_time_s"]


def test_a_finished_study_that_goes_on_has_nothing_left_to_do(tmp_path, finished):
    store = finished.folder / records.FILE_NAME
    (tmp_path / records.FILE_NAME).write_bytes(store.read_bytes())
    observer = Recorder()
    found = run(tmp_path, observer)
    assert found.runs.equals(finished.runs)
    assert found.timings.equals(finished.timings)
    assert (observer.work, observer.done) == (0.0, 0.0)


def test_a_given_rate_is_used_without_a_search(tmp_path):
    observer = Recorder()
    found = run(tmp_path, observer, learning_rate=0.05, tune=0, optimizers=("adam",), timing_rounds=0)
    assert set(found.runs["phase"]) == {"final"}
    assert set(found.runs["learning_rate"]) == {0.05}
    assert len(found.runs) == 2 * 2
    assert observer.stages == ["compiling", "training"]
    assert found.timings.empty


def test_a_search_whose_answer_lies_beyond_its_range_goes_on_there(tmp_path):
    ranges = {"adam": (1e-7, 1e-6)}
    found = run(tmp_path, optimizers=("adam",), batch_sizes=("32",), learning_rate_ranges=ranges, timing_rounds=0)
    search = found.runs[found.runs["phase"] == "search"]
    assert len(search) == 3 + 2
    assert (search["learning_rate"] > 1e-6).sum() >= 1
    finals = found.runs[found.runs["phase"] == "final"]
    assert set(finals["learning_rate"]) == {search["learning_rate"].max()}


def test_a_cell_that_diverges_is_recorded_and_the_study_goes_on_to_its_report(tmp_path):
    found = run(tmp_path, model="mlp", optimizers=("sgd",), batch_sizes=("32",), learning_rate=1e30)
    assert list(found.runs["status"]) == ["diverged", "diverged"]
    assert found.runs["reason"].str.contains("not finite").all()
    assert found.runs["validation_loss"].isna().all()
    assert found.timings.empty
    (untimed,) = found.meta["untimed"]
    assert (untimed["optimizer"], untimed["batch"]) == ("sgd", "32")
    assert found.meta["status"] == "finished"
    page = report.write(tmp_path)[0].read_text()
    assert "diverged" in page
    assert "The timing pass said: worker" in page


def test_a_cell_whose_every_trial_diverges_has_no_final_run_and_the_others_have_theirs(tmp_path):
    observer = Recorder()
    found = run(
        tmp_path, observer, model="mlp", batch_sizes=("32",), tune=2, learning_rate_ranges={"sgd": (1e11, 1e12)}
    )
    counts = found.runs.groupby(["optimizer", "phase", "status"]).size().to_dict()
    assert counts["sgd", "search", "diverged"] == 2
    assert counts["adam", "final", "finished"] == 2
    assert {optimizer for optimizer, phase, _ in counts if phase != "search"} == {"adam"}
    assert set(found.timings["optimizer"]) == {"adam"}
    assert observer.done == pytest.approx(observer.work)
    report.write(tmp_path)


def test_a_diverged_trial_is_neither_confirmed_nor_chosen(tmp_path):
    found = run(
        tmp_path, model="mlp", optimizers=("sgd",), batch_sizes=("32",), timing_rounds=0,
        learning_rate_ranges={"sgd": (1e-3, 1e12)},
    )  # fmt: skip
    statuses = found.runs.groupby("phase")["status"].unique()
    assert set(statuses["search"]) == {"finished", "diverged"}
    assert set(statuses["confirm"]) == set(statuses["final"]) == {"finished"}


@pytest.mark.parametrize("bounds", [{"steps": 5}, {"samples": 700}, {"seconds": 0.01}])
def test_a_study_runs_to_any_budget_and_its_page_can_be_made(tmp_path, bounds):
    found = run(tmp_path, length=Budget(**bounds), workers=None, timing_rounds=1)
    assert set(found.runs["status"]) == {"finished"}
    if "steps" in bounds:
        assert set(found.runs["steps"]) == {5}
    if "samples" in bounds:
        assert found.runs["samples"].between(700, 700 + N - 1).all()
    if "seconds" in bounds:
        assert (found.runs["seconds"] >= 0.01).all()
    assert report.write(tmp_path)[0].is_file()


@pytest.mark.parametrize("phase", ["search", "confirm", "final"])
def test_a_trial_that_raises_is_recorded_as_failed_and_the_study_goes_on(tmp_path, monkeypatch, phase):
    genuine, hit = executor.execute, []

    def execute(study, trial, stop):
        if trial.phase == phase and trial.cell.optimizer == "adam" and not hit:
            hit.append(trial)
            raise MemoryError("no room for\n3 GiB")
        return genuine(study, trial, stop)

    monkeypatch.setattr(executor, "execute", execute)
    found = run(tmp_path, batch_sizes=("full",), workers=1)
    assert len(found.runs) >= 2 * (3 + 2 * 2 + 2)
    failed = found.runs[found.runs["status"] == "failed"]
    assert list(failed["run_id"]) == [
        executor.failed(plan(StudyConfig(**TINY), DIGITS), hit[0], ValueError())["run_id"]
    ]
    assert failed["reason"].item() == "MemoryError: no room for 3 GiB"
    assert failed["phase"].item() == phase
    assert math.isnan(failed["validation_loss"].item())
    assert (found.runs["status"] == "finished").sum() == len(found.runs) - 1
    assert found.meta["status"] == "finished"


def test_a_record_that_cannot_be_stored_ends_the_study_at_once(tmp_path, monkeypatch):
    def full(self, run, curve):
        raise StoreError("the disk is full")

    monkeypatch.setattr(records.Writer, "run", full)
    with pytest.raises(StoreError, match="the disk is full"):
        run(tmp_path)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fastopt-run")]


def test_ctrl_c_keeps_what_was_recorded_and_leaves_no_thread_behind(tmp_path):
    class Impatient(Recorder):
        def advance(self, work):
            super().advance(work)
            if self.done > work:  # the second run is stored
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Impatient(), length=Budget(epochs=20), learning_rate=0.1, seeds=2000, batch_sizes=("full",))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fastopt-run")]
    found = records.read(tmp_path)
    assert found.meta["status"] == "interrupted"
    assert 2 <= len(found.runs) < 4000
    assert set(found.runs["status"]) == {"finished"}
    assert set(found.curves["run_id"]) == set(found.runs["run_id"])


def test_two_studies_in_one_process_do_not_stop_each_other(tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    settings = {"optimizers": ("sgd",), "batch_sizes": ("full",), "learning_rate": 0.1, "timing_rounds": 0}
    writer = records.Writer(tmp_path / "first")
    stopped = Runner(plan(StudyConfig(**TINY | settings), DIGITS), writer, Recorder())
    stopped.executor.stop()
    writer.close()
    assert set(run(tmp_path / "second", **settings).runs["status"]) == {"finished"}
