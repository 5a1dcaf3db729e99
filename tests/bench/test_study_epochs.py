"""A study becomes the comparisons that other libraries are timed on, and the batch-size timing study joins them."""

import pytest

from fastopt.bench.contenders import find
from fastopt.bench.study_epochs import TIMING_BATCH_SIZES, request_of
from fastopt.errors import ConfigError
from fastopt.measurements import PART, TIMING
from fastopt.study.config import StudyConfig
from fastopt.study.plan import plan
from fastopt.training.datasets import load

PEERS = ("torch eager", "jax scan")
DATA = {"name": "digits", "n_train": 1257, "n_features": 64, "n_classes": 10}
CONFIG = {
    "model": "mlp", "hidden": [16], "activation": "relu", "loss": "cross_entropy", "l2": 0.0, "reduction": "mean",
    "dtype": "float32", "sampling": "fisher_yates", "optimizers": ["sgd", "adam"], "batch_sizes": ["8", "64", "full"],
}  # fmt: skip


def asked(data=DATA, **changed):
    return request_of({"config": CONFIG | changed, "dataset": data}, threads=(2,), peers=PEERS)


def test_every_cell_of_the_study_and_every_batch_size_of_the_timing_study_is_a_comparison():
    cases = [planned.case for planned in asked().plan()]
    grid = [case for case in cases if case.data == "digits"]
    assert [(case.optimizer, case.batch_size) for case in grid] == [
        (name, size) for name in ("sgd", "adam") for size in (8, 64, 1257)
    ]
    assert {case.widths for case in grid} == {(64, 16, 10)}
    timing = [case for case in cases if case.data == TIMING]
    assert tuple(case.batch_size for case in timing) == TIMING_BATCH_SIZES
    assert {(case.optimizer, case.model, case.n_rows) for case in timing} == {("sgd", "logistic", 512)}
    assert {case.batch_size: case.steps_per_unit for case in timing}[63] == 9
    assert len(cases) == len(grid) + len(timing)


def test_ours_and_the_named_peers_take_part_and_no_phase_is_left_out():
    planned = asked().plan()[0]
    assert set(planned.contenders) == {"fastopt", *PEERS}
    assert planned.baseline == "fastopt"
    assert all(find("epoch", name).role != PART for name in planned.contenders)


def facts(**settings):
    """What a study records of itself."""
    config = StudyConfig(**settings)
    return plan(config, load(config.dataset)).facts()


def test_studies_as_they_are_recorded_can_be_timed():
    logistic = facts(dataset="moons", model="logistic", batch_sizes=("8",), optimizers=("adam",))
    case = request_of(logistic, threads=(1,), peers=PEERS).plan()[0].case
    assert (case.data, case.widths) == ("moons", (2, 1))
    deep = facts(dataset="digits", model="mlp", hidden=(16, 16), batch_sizes=("8",), optimizers=("adam",))
    assert request_of(deep, threads=(1,), peers=PEERS).plan()[0].case.widths == (64, 16, 16, 10)


def test_a_study_of_the_rows_of_the_timing_study_is_not_measured_twice():
    settings = {"dataset": "timing", "model": "logistic", "batch_sizes": ("1", "7"), "optimizers": ("sgd",)}
    cases = [planned.case for planned in request_of(facts(**settings), threads=(1,), peers=PEERS).plan()]
    assert len(cases) == len(set(cases)) == 1 + len(TIMING_BATCH_SIZES)


def test_one_number_of_threads_is_timed():
    with pytest.raises(ConfigError, match="one number of threads, got --threads 1,2"):
        request_of({"config": CONFIG, "dataset": DATA}, threads=(1, 2), peers=PEERS)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"activation": "tanh"}, ["activation relu", "tanh"]),
        ({"l2": 0.01}, ["l2 0.0", "0.01"]),
        ({"dtype": "float64"}, ["dtype float32", "float64"]),
        ({"reduction": "sum"}, ["reduction mean", "sum"]),
        ({"sampling": "with_replacement"}, ["sampling", "with_replacement"]),
        ({"model": "softmax"}, ["model mlp or logistic", "softmax"]),
        ({"optimizers": ["adam(beta2=0.99)"]}, ['unknown optimizer "adam(beta2=0.99)"']),
        ({"batch_sizes": []}, ["no training of ours"]),
        ({"data": {**DATA, "name": "own.csv"}}, ["fastopt list datasets", "own.csv"]),
    ],
)
def test_what_other_libraries_do_not_do_alike_is_refused(changed, words):
    with pytest.raises(ConfigError) as raised:
        asked(**changed).plan()
    assert all(word in str(raised.value) for word in words), raised.value
    assert "\n" not in str(raised.value)
