"""A trial is one run, its record and its curve; its identity is made from all that decides the result."""

import dataclasses
import math

import numpy as np
import pytest

from fastopt.records import TABLES
from fastopt.study.config import StudyConfig
from fastopt.study.plan import Cell, plan
from fastopt.study.trial import Trial, execute, run_id
from fastopt.training.budget import Budget, geometric_grid
from fastopt.training.datasets import digits
from fastopt.training.scoring import Scoring

DIGITS = digits()
N = int(DIGITS.train.size)
CELL = Cell("adam", "32", 32)
TRIAL = Trial(CELL, "final", 0.01, 0)


def study(dataset=DIGITS, **settings):
    settings = {"model": "softmax", "optimizers": ("adam", "sgd"), "length": Budget(epochs=2)} | settings
    return plan(StudyConfig(**settings), dataset)


def run(trial, **settings):
    return execute(study(**settings), trial, np.zeros(1, dtype=np.int64))


def other_rows():
    provenance = DIGITS.provenance | {"sha256": {"digits.npz": "another"}}
    return dataclasses.replace(DIGITS, provenance=provenance)


def released(version):
    changed = study()
    changed.__dict__["identity"] = study().identity | {"fastopt": version}
    return changed


def plugged(name, digest):
    return dataclasses.replace(study(), plugins=((name, digest),))


DECIDING = {
    "the data": (study(other_rows()), TRIAL),
    "the dtype": (study(dtype="float64"), TRIAL),
    "the model": (study(model="mlp"), TRIAL),
    "the hidden widths": (study(model="mlp", hidden=(33,)), TRIAL),
    "the activation": (study(model="mlp", activation="tanh"), TRIAL),
    "the initialisation": (study(model="mlp", init="normal"), TRIAL),
    "the L2": (study(l2=1e-3), TRIAL),
    "the loss": (study(model="mlp", loss="squared"), TRIAL),
    "who multiplies": (study(product="blas" if study().model.settings["product"] == "tiles" else "tiles"), TRIAL),
    "the schedule": (study(schedule="cosine"), TRIAL),
    "the sampling": (study(sampling="sequential"), TRIAL),
    "the reduction": (study(reduction="sum"), TRIAL),
    "the epochs": (study(length=Budget(epochs=3)), TRIAL),
    "what the budget counts": (study(length=Budget(steps=2)), TRIAL),
    "the version of fastopt": (released("9.9"), TRIAL),
    "a plugin": (plugged("a", "1"), TRIAL),
    "the content of a plugin": (plugged("a", "2"), TRIAL),
    "the optimizer": (study(), dataclasses.replace(TRIAL, cell=Cell("sgd", "32", 32))),
    "the batch size": (study(), dataclasses.replace(TRIAL, cell=Cell("adam", "33", 33))),
    "the phase": (study(), dataclasses.replace(TRIAL, phase="search")),
    "the learning rate": (study(), dataclasses.replace(TRIAL, learning_rate=math.nextafter(0.01, 1))),
    "the seed": (study(), dataclasses.replace(TRIAL, seed=1)),
}


def test_all_that_decides_a_result_is_in_its_identity():
    identities = {run_id(study(), TRIAL), *(run_id(*other) for other in DECIDING.values())}
    assert len(identities) == 1 + len(DECIDING)


@pytest.mark.parametrize("what", DECIDING)
def test_an_identity_is_the_same_each_time(what):
    assert run_id(*DECIDING[what]) == run_id(*DECIDING[what])


@pytest.mark.parametrize(
    "settings",
    [
        {"workers": 2},
        {"timing_rounds": 0},
        {"backend": "parallel"},
        {"seeds": 3},
        {"tune": 5},
        {"learning_rate": 0.01},
        {"optimizers": ("adam",)},
        {"batch_sizes": ("32",)},
        {"label": "y", "data_dir": "elsewhere"},
        {"format": "parquet"},
    ],
)
def test_nothing_else_is_in_an_identity(settings):
    assert run_id(study(**settings), TRIAL) == run_id(study(), TRIAL)


def test_the_spelling_of_a_batch_size_is_not_in_an_identity():
    full, number = (dataclasses.replace(TRIAL, cell=Cell("adam", batch, N)) for batch in ("full", str(N)))
    assert run_id(study(), full) == run_id(study(), number)


@pytest.mark.parametrize("batch", ["1", "32", "100", "full"])
def test_a_curve_looks_at_the_first_step_at_or_after_every_point_of_the_grid(batch):
    size = N if batch == "full" else int(batch)
    _, curve = run(Trial(Cell("sgd", batch, size), "final", 0.01, 0))
    in_an_epoch = [min(end, N) for end in range(size, N + size, size)]  # the last batch is what is left
    ends = [*in_an_epoch, *(N + end for end in in_an_epoch)]
    expected = {next(end for end in ends if end >= point) for point in geometric_grid(N, 2 * N)}
    assert [point["samples"] for point in curve] == [0, *sorted(expected)]
    assert [point["point"] for point in curve] == list(range(len(curve)))


@pytest.mark.parametrize(
    ("bounds", "steps"), [({"steps": 7}, 7), ({"samples": 100}, 4), ({"epochs": 1}, math.ceil(N / 32))]
)
def test_a_run_ends_at_its_budget(bounds, steps):
    record, curve = run(TRIAL, length=Budget(**bounds))
    assert record["steps"] == curve[-1]["step"] == steps
    assert record["status"] == "finished"


def test_a_run_of_so_many_seconds_ends_at_the_first_look_after_them():
    record, curve = run(TRIAL, length=Budget(seconds=0.02))
    assert record["status"] == "finished"
    assert record["seconds"] >= 0.02
    assert all(point["seconds"] < 0.02 for point in curve[:-1])


def test_a_sum_of_gradients_is_a_rate_of_so_many_times_the_batch_size():
    cell = Cell("sgd", "32", 32)
    mean, total = (
        run(dataclasses.replace(TRIAL, cell=cell, learning_rate=rate), reduction=reduction, dtype="float64")[0]
        for rate, reduction in ((0.32, "mean"), (0.01, "sum"))
    )
    assert N % 32  # the last batch is smaller: the two are close, not equal
    assert total["validation_loss"] == pytest.approx(mean["validation_loss"], rel=0.05)


@pytest.mark.parametrize("settings", [{"schedule": "exponential(gamma=0.5)"}, {"sampling": "sequential"}])
def test_a_schedule_and_a_way_of_sampling_are_followed(settings):
    assert run(TRIAL, **settings)[0]["validation_loss"] != run(TRIAL)[0]["validation_loss"]


def test_a_finished_run_is_recorded_whole():
    record, curve = run(TRIAL)
    assert TABLES["runs"].keys() - record.keys() == {"hit_after", "hit_by", "goal_best"}  # of a goal
    squares = {"small", "big", "small_square", "big_square"}
    assert all(TABLES["curves"].keys() - {"run_id", *point} == squares for point in curve)
    assert record["status"] == "finished"
    assert (record["epochs"], record["steps"], record["samples"]) == (2.0, 2 * math.ceil(N / 32), 2 * N)
    last = curve[-1]
    for name in ("train_loss", "validation_loss", "validation_accuracy"):
        assert record[name] == last[name]
    assert record["best_validation_loss"] == min(point["validation_loss"] for point in curve)
    assert 0 < record["test_loss"] < math.log(10)
    assert 0.8 < record["test_accuracy"] <= 1
    assert record["seconds"] == last["seconds"] > 0


@pytest.mark.parametrize("phase", ["search", "confirm"])
def test_a_trial_that_takes_part_in_a_choice_does_not_open_the_test_set(monkeypatch, phase):
    scored, genuine = [], Scoring.__call__
    monkeypatch.setattr(Scoring, "__call__", lambda self, *at: scored.append(at[2].rows) or genuine(self, *at))
    record, _ = run(dataclasses.replace(TRIAL, phase=phase))
    assert {"test_loss", "test_accuracy"}.isdisjoint(record)
    assert scored
    assert not any(np.isin(rows, DIGITS.test).any() for rows in scored)


def test_a_run_that_diverges_is_recorded_with_its_reason_and_without_a_loss():
    record, curve = run(Trial(Cell("sgd", "32", 32), "final", 1e30, 0), model="mlp")
    assert record["status"] == "diverged"
    assert "not finite" in record["reason"]
    assert "1e+30" in record["reason"]
    assert not {name for name in record if "loss" in name or "accuracy" in name}
    assert curve[0]["step"] == 0
    assert all(math.isfinite(point["validation_loss"]) for point in curve)
    assert record["samples"] < 2 * N


def test_a_run_that_is_stopped_is_recorded_as_interrupted():
    record, _ = execute(study(), TRIAL, np.ones(1, dtype=np.int64))
    assert record["status"] == "interrupted"
    assert record["samples"] < N
    assert "validation_loss" not in record
