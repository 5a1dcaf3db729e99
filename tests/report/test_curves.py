"""Curves over seeds: their smoothing, and how runs of unequal length are put side by side."""

import math
from pathlib import Path

import numpy as np
import pytest

from fastopt.records import Writer, read
from fastopt.report.cells import cells
from fastopt.report.curves import BETA, curves, seconds, smoothed

from .synthetic import store


def test_the_smoothed_curve_is_the_bias_corrected_average_of_its_formula() -> None:
    y = np.array([9.0, 4.0, 2.0, 3.0, 1.0])
    for t in range(1, y.size):
        weights = [(1 - BETA) * BETA ** (t - i) for i in range(1, t + 1)]
        assert smoothed(y)[t] == pytest.approx(np.dot(weights, y[1 : t + 1]) / (1 - BETA**t))
    assert sum((1 - BETA) * BETA**i for i in range(3)) / (1 - BETA**3) == pytest.approx(1.0)
    assert smoothed(y)[0] == y[0]


def test_a_constant_is_smoothed_to_itself_and_nothing_follows_a_nan() -> None:
    assert smoothed(np.full(6, 0.25)) == pytest.approx(np.full(6, 0.25))
    assert np.isnan(smoothed(np.array([1.0, 1.0, np.nan, 1.0]))).tolist() == [False, False, True, True]


def test_after_divergence_a_run_counts_as_infinite(tmp_path: Path) -> None:
    drawn = curves(read(store(tmp_path, factors={"sgd": 1.0}, batches=("1",), diverged={("sgd", "1"): 4})))
    median = drawn["sgd", "1"].median("validation_loss")
    assert median.size == 21
    assert np.isfinite(median[:3]).all()
    assert np.isnan(median[3:]).all()


def test_seconds_are_steps_times_the_median_time_per_step(tmp_path: Path) -> None:
    records = read(store(tmp_path, factors={"sgd": 1.0}, batches=("8",)))
    (cell,) = cells(records)
    estimate = seconds(cell, curves(records)[cell.key])
    assert estimate[-1] == pytest.approx(cell.steps * cell.step_time_s.median)


def test_runs_that_ended_at_different_samples_are_compared_where_all_were_evaluated(tmp_path: Path) -> None:
    """As under a budget of seconds."""
    folder = store(tmp_path, factors={"sgd": 1.0}, batches=("8",), finals=False, tune=0)
    writer = Writer(folder)
    identity = {"phase": "final", "optimizer": "sgd", "batch": "8", "batch_size": 8, "learning_rate": 0.1}
    for seed, end in enumerate((350, 410)):
        run = {
            "run_id": str(seed),
            **identity,
            "seed": seed,
            "status": "finished",
            "reason": "",
            "validation_loss": 0.5,
        }
        points = [
            {
                "point": i,
                "epoch": n / 1257,
                "step": n // 8,
                "samples": n,
                "train_loss": 1.0,
                "validation_loss": 10.0 - i,
            }
            for i, n in enumerate((0, 100, 200, 300, end))
        ]
        writer.run(run, points)
    writer.close()
    curve = curves(read(folder))["sgd", "8"]
    assert curve.x["samples"].tolist() == [0, 100, 200, 300]
    assert curve.median("validation_loss").tolist() == [10.0, 9.0, 8.0, 7.0]
    assert [run.steps_to(6.0) for run in curve.runs] == [(350 // 8, 4), (410 // 8, 4)]
    assert curve.runs[0].steps_to(1.0) == (math.inf, -1)
