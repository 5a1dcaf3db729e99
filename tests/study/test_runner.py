"""A study runs to its end whatever its runs do, and its records hold the same numbers on any number of threads."""

import math
import threading

import numpy as np
import pytest

from fastopt import records, report
from fastopt.errors import StoreError
from fastopt.study import runner
from fastopt.study.config import StudyConfig, plan
from fastopt.study.ranges import RANGES
from fastopt.study.runner import Runner
from fastopt.training.datasets import digits

DIGITS = digits()
N = int(DIGITS.train.size)
TINY = {
    "model": "softmax",
    "optimizers": ("sgd", "adam"),
    "batch_sizes": ("32", "full"),
    "n_seeds": 2,
    "epochs": 2,
    "tune": 3,
    "timing_rounds": 2,
    "workers": 2,
}
CELLS = [("sgd", "32"), ("sgd", "full"), ("adam", "32"), ("adam", "full")]
CLOCKS = ["seconds"]  # what no two runs share


class Recorder:
    """An observer that keeps what it is told: for each stage its name, its work, and the work done."""

    def __init__(self):
        self.stages = []

    def stage(self, name, work):
        self.stages.append([name, work, 0.0])

    def advance(self, work):
        assert work > 0
        assert threading.current_thread() is threading.main_thread()
        self.stages[-1][2] += work


def run(folder, observer=None, **settings):
    """Run a tiny study and return its records."""
    writer = records.Writer(folder)
    study = plan(StudyConfig(**TINY | settings), DIGITS)
    writer.meta(**study.facts())
    try:
        Runner(study, writer, observer or Recorder()).run()
    finally:
        writer.close()
    return records.read(folder)


def by_cell(frame):
    return dict(list(frame.groupby(["optimizer", "batch"], sort=False)))


@pytest.fixture(scope="module")
def observer():
    return Recorder()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, observer):
    return run(tmp_path_factory.mktemp("finished"), observer)


def test_every_cell_has_its_trials_and_its_final_runs(finished):
    counts = finished.runs.groupby(["optimizer", "batch", "phase"]).size().to_dict()
    assert counts == {(*cell, phase): n for cell in CELLS for phase, n in (("search", 3), ("final", 2))}
    assert set(finished.runs["status"]) == {"finished"}
    assert finished.runs["run_id"].is_unique


def test_every_run_has_its_curve(finished):
    assert set(finished.curves["run_id"]) == set(finished.runs["run_id"])
    ends = finished.curves.groupby("run_id")["samples"].max()
    assert (ends == 2 * N).all()


def test_final_runs_are_on_fresh_seeds(finished):
    searched, final = (set(finished.runs.loc[finished.runs["phase"] == phase, "seed"]) for phase in ("search", "final"))
    assert final == {0, 1}
    assert len(searched) == 1
    assert not searched & final


def test_all_trials_of_an_optimizer_have_the_same_budget_and_rates(finished):
    search = by_cell(finished.runs[finished.runs["phase"] == "search"])
    for optimizer in ("sgd", "adam"):
        rates = {batch: sorted(search[optimizer, batch]["learning_rate"]) for batch in ("32", "full")}
        assert rates["32"] == rates["full"]
        assert len(set(rates["32"])) == 3


def test_the_chosen_rate_is_that_of_the_trial_with_the_lowest_validation_loss(finished):
    for rows in by_cell(finished.runs).values():
        trials, finals = rows[rows["phase"] == "search"], rows[rows["phase"] == "final"]
        best = trials.loc[trials["validation_loss"].idxmin(), "learning_rate"]
        assert set(finals["learning_rate"]) == {best}


def test_the_test_set_is_opened_for_final_runs_only(finished):
    is_final = finished.runs["phase"] == "final"
    for name in ("test_loss", "test_accuracy"):
        assert (finished.runs[name].notna() == is_final).all()


def test_every_cell_is_timed_in_every_round(finished):
    found = finished.timings
    assert found.groupby(["optimizer", "batch"]).size().to_dict() == dict.fromkeys(CELLS, 2)
    assert (found["time_s"] > 0).all()
    assert found.notna().all().all()
    for _, rows in found.groupby("round"):
        assert sorted(rows["position"]) == [0, 1, 2, 3]


def test_the_work_reported_adds_up_to_that_of_its_stage(finished, observer):
    assert [name for name, _, _ in observer.stages] == ["compiling", "training", "timing"]
    for _, work, done in observer.stages:
        assert done == pytest.approx(work)


def test_a_finished_study_says_so_and_how_long_compiling_took(finished):
    assert finished.meta["status"] == "finished"
    assert 0 < finished.meta["compile_time_s"] < 600


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_are_the_same_bits_on_one_worker_and_on_two(tmp_path, dtype):
    found = []
    for workers in (1, 2):
        (tmp_path / f"{workers}").mkdir()
        found.append(run(tmp_path / f"{workers}", workers=workers, dtype=dtype, timing_rounds=0, tune=2))
    for table, key in (("runs", ["run_id"]), ("curves", ["run_id", "point"])):
        one, two = (getattr(each, table).drop(columns=CLOCKS).sort_values(key, ignore_index=True) for each in found)
        assert len(one) > 0
        assert one.equals(two)


def test_a_given_rate_is_used_without_a_search(tmp_path):
    observer = Recorder()
    found = run(tmp_path, observer, learning_rate=0.05, tune=0, optimizers=("adam",), timing_rounds=0)
    assert set(found.runs["phase"]) == {"final"}
    assert set(found.runs["learning_rate"]) == {0.05}
    assert len(found.runs) == 2 * 2
    assert [name for name, _, _ in observer.stages] == ["compiling", "training"]
    assert found.timings.empty


def test_a_cell_that_diverges_is_recorded_and_the_study_goes_on_to_its_report(tmp_path):
    found = run(tmp_path, model="mlp", optimizers=("sgd",), batch_sizes=("32",), learning_rate=1e30)
    assert list(found.runs["status"]) == ["diverged", "diverged"]
    assert found.runs["reason"].str.contains("not finite").all()
    assert found.runs["validation_loss"].isna().all()
    assert found.timings.empty
    assert found.meta["status"] == "finished"
    assert "diverged" in report.write(tmp_path)[0].read_text()


def test_a_cell_whose_every_trial_diverges_has_no_final_run_and_the_others_have_theirs(tmp_path, monkeypatch):
    genuine = runner.search.trial_rates

    def too_high_for_sgd(bounds, n_trials, seed):
        return [1e30, 2e30] if bounds == RANGES["sgd"] else genuine(bounds, n_trials, seed)

    monkeypatch.setattr(runner.search, "trial_rates", too_high_for_sgd)
    observer = Recorder()
    found = run(tmp_path, observer, model="mlp", batch_sizes=("32",), tune=2)
    counts = found.runs.groupby(["optimizer", "phase", "status"]).size().to_dict()
    assert counts == {
        ("sgd", "search", "diverged"): 2,
        ("adam", "search", "finished"): 2,
        ("adam", "final", "finished"): 2,
    }
    assert set(found.timings["optimizer"]) == {"adam"}
    for _, work, done in observer.stages:
        assert done == pytest.approx(work)
    report.write(tmp_path)


def test_a_diverged_trial_is_not_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(runner.search, "trial_rates", lambda bounds, n, seed: [1e-3, 1e30])
    found = run(tmp_path, model="mlp", optimizers=("sgd",), batch_sizes=("32",), timing_rounds=0)
    finals = found.runs[found.runs["phase"] == "final"]
    assert set(finals["learning_rate"]) == {1e-3}
    assert set(finals["status"]) == {"finished"}


@pytest.mark.parametrize("phase", ["search", "final"])
def test_a_trial_that_raises_is_recorded_as_failed_and_the_study_goes_on(tmp_path, monkeypatch, phase):
    genuine, hit = runner.execute, []

    def execute(study, trial, stop):
        if trial.phase == phase and trial.cell.optimizer == "adam" and not hit:
            hit.append(trial)
            raise MemoryError("no room for\n3 GiB")
        return genuine(study, trial, stop)

    monkeypatch.setattr(runner, "execute", execute)
    found = run(tmp_path, batch_sizes=("full",), workers=1)
    assert len(found.runs) == 2 * (3 + 2)
    failed = found.runs[found.runs["status"] == "failed"]
    assert list(failed["run_id"]) == [runner.failed(plan(StudyConfig(**TINY), DIGITS), hit[0], ValueError())["run_id"]]
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
            if self.stages[-1][0] == "training" and self.stages[-1][2] > work:  # the second run is stored
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Impatient(), epochs=20, learning_rate=0.1, n_seeds=2000, batch_sizes=("full",))
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
    stopped.stop[0] = 1
    writer.close()
    assert set(run(tmp_path / "second", **settings).runs["status"]) == {"finished"}
    assert np.array_equal(stopped.stop, [1])
