"""A comparison that does not fit its data, or itself, is refused in one line before anything runs."""

import dataclasses
import json

import numpy as np
import pytest

from fastopt.bench.machine import usable_cores
from fastopt.errors import ConfigError, DataError
from fastopt.optimizers import OPTIMIZERS
from fastopt.study.batches import DEFAULT
from fastopt.study.config import CONFIRM_SEEDS, StudyConfig
from fastopt.study.plan import Cell, plan
from fastopt.study.ranges import RANGES, UNKNOWN, learning_rate_range
from fastopt.training.budget import Budget
from fastopt.training.datasets import digits, from_arrays

DIGITS = digits()
N = DIGITS.train.size


def sized(n_rows):
    """Digits with so many training rows."""
    return dataclasses.replace(DIGITS, train=DIGITS.train[:n_rows])


def refusal(dataset=DIGITS, **settings):
    with pytest.raises((ConfigError, DataError)) as raised:
        plan(StudyConfig(**settings), dataset)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_an_unknown_optimizer_is_answered_with_the_menu_and_the_nearest_name():
    message = refusal(optimizers=("sgd", "adm"))
    assert '"adm"' in message
    assert 'did you mean "adam"?' in message
    assert all(name in message for name in OPTIMIZERS)


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"optimizers": ()}, ["no optimizer", "sgd"]),
        ({"optimizers": ("adam", "sgd", "adam")}, ['"adam"', "twice"]),
        ({"optimizers": ("Adam",)}, ['"Adam"', 'did you mean "adam"?']),
        ({"optimizers": ("adam(beta3=1)",)}, ["beta3", "option of adam"]),
        ({"optimizers": ("adam(beta2=1)",)}, ["beta2 must lie in [0, 1), got 1.0"]),
        ({"optimizers": ("adam(learning_rate=1)",)}, ['"learning_rate"', "leave it out", "--learning-rate"]),
        ({"optimizers": ("adam(backend=serial)",)}, ['"backend"', "leave it out", "--backend"]),
        ({"optimizers": ("adam(beta2=0.9)", "adam(beta2=.90)")}, ['"adam(beta2=0.9)"', "twice"]),
        ({"model": "mpl"}, ['"mpl"', 'did you mean "mlp"?', "softmax"]),
        ({"model": "softmax", "hidden": (8,)}, ["softmax", "hidden"]),
        ({"model": "softmax", "activation": "tanh"}, ["softmax", "activation"]),
        ({"activation": "rely"}, ['"rely"', 'did you mean "relu"?']),
        ({"init": "xaver"}, ['"xaver"', 'did you mean "xavier"?']),
        ({"loss": "square"}, ['"square"', 'did you mean "squared"?']),
        ({"l2": -1.0}, ["l2", "-1.0"]),
        ({"schedule": "cosin"}, ['"cosin"', 'did you mean "cosine"?']),
        ({"reduction": "max"}, ['"max"', "mean", "sum"]),
        ({"format": "xml"}, ['"xml"', "csv", "parquet"]),
        ({"learning_rate_ranges": {"adm": (0.1, 1.0)}}, ['"adm"', 'did you mean "adam"?']),
        ({"learning_rate_ranges": {"adamw": (0.1, 1.0)}}, ['"adamw"', "known: adam, momentum, rmsprop, sgd"]),
        ({"learning_rate_ranges": {"adam": (1.0, 0.1)}}, ["adam", "lowest", "1 and 0.1"]),
        ({"learning_rate_ranges": {"adam": (0.0, 0.1)}}, ["adam", "1e-12"]),
        ({"learning_rate_ranges": {"adam": (0.1, float("nan"))}}, ["adam", "nan"]),
        ({"plugin": ("nowhere.py",)}, ['"nowhere.py"']),
        ({"model": "mlp", "hidden": ()}, ["hidden", "softmax"]),
        ({"model": "mlp", "hidden": (8, 0)}, ["hidden", "[8, 0]"]),
        ({"dtype": "float16"}, ['"float16"', "float32", "float64"]),
        ({"backend": "cude"}, ['"cude"', "auto", "parallel", "serial"]),
        ({"seeds": 0}, ["seeds", "at least 1", "0"]),
        ({"tune": -1}, ["tune", "at least 0", "-1"]),
        ({"timing_rounds": -1}, ["timing_rounds", "at least 0", "-1"]),
        ({"workers": 0}, ["workers", "at least 1", "0"]),
        ({"tune": 0}, ["tune 0", "--learning-rate"]),
        ({"seeds": 1_000_001}, ["seeds", "at most 1000000"]),
        ({"learning_rate": float("nan")}, ["learning rate", "nan"]),
        ({"learning_rate": float("inf")}, ["learning rate", "inf"]),
        ({"learning_rate": 0.0}, ["learning rate", "positive"]),
        ({"learning_rate": -0.1}, ["learning rate", "positive", "-0.1"]),
    ],
)
def test_what_cannot_be_compared_is_refused(settings, parts):
    message = refusal(**settings)
    for part in parts:
        assert part in message


@pytest.mark.parametrize("batch", ["0", "-1", "2.5", "all", "FULL", "", "nan", str(N + 1)])
def test_a_batch_size_that_does_not_fit_is_refused_with_what_would(batch):
    message = refusal(batch_sizes=("32", batch))
    assert f"1 to the {N} training rows" in message
    assert '"full"' in message
    assert batch in message


@pytest.mark.parametrize("batches", [("32", "8", "32"), ("full", "full"), ("full", str(N)), ("32", "032")])
def test_a_batch_size_named_twice_is_refused(batches):
    assert "once" in refusal(batch_sizes=batches)


def test_data_without_validation_rows_is_refused():
    rng = np.random.default_rng(0)
    dataset = from_arrays((rng.normal(size=(20, 2)), np.arange(20) % 2))
    assert "no validation rows" in refusal(dataset)


def test_data_without_classes_is_refused():
    dataset = dataclasses.replace(DIGITS, labels=DIGITS.labels.astype(np.float64), classes=())
    assert "classes" in refusal(dataset, model="softmax")


@pytest.mark.parametrize("n_rows", [2, 3, 8, 9, 32, 33, 512, 513, N])
def test_default_batch_sizes_stay_below_the_training_rows_and_end_with_all(n_rows):
    study = plan(StudyConfig(optimizers=("sgd",)), sized(n_rows))
    *sizes, last = [cell.batch_size for cell in study.cells]
    assert sizes == [size for size in DEFAULT if size < n_rows]
    assert last == n_rows
    assert study.cells[-1].batch == "full"


def test_every_optimizer_meets_every_batch_size_once():
    study = plan(StudyConfig(optimizers=("adam", "sgd"), batch_sizes=("full", "1", "32")), DIGITS)
    assert study.cells == tuple(
        Cell(name, batch, size) for name in ("adam", "sgd") for batch, size in (("full", N), ("1", 1), ("32", 32))
    )


def test_every_optimizer_on_the_menu_has_a_range_to_search():
    assert RANGES.keys() == OPTIMIZERS.keys()
    for low, high in (*RANGES.values(), UNKNOWN):
        assert 0 < low < high


def test_a_velocity_that_is_a_sum_of_gradients_is_searched_at_smaller_rates():
    low, high = learning_rate_range("momentum")
    assert learning_rate_range("momentum(form=heavy_ball,beta=0.75)") == (low / 4, high / 4)


def test_optimizers_with_options_are_cells_under_one_way_of_writing_them():
    specs = ("adam", "adam( eps_form=inside, beta2=0.990 )")
    study = plan(StudyConfig(optimizers=specs, batch_sizes=("32",)), DIGITS)
    assert [cell.optimizer for cell in study.cells] == ["adam", "adam(beta2=0.99,eps_form=inside)"]
    assert list(study.ranges) == study.facts()["config"]["optimizers"] == [cell.optimizer for cell in study.cells]


def test_a_given_learning_rate_takes_the_place_of_the_search():
    assert plan(StudyConfig(learning_rate=0.1), DIGITS).trials_per_cell == 0
    assert plan(StudyConfig(learning_rate=0.1, tune=0), DIGITS).trials_per_cell == 0
    assert plan(StudyConfig(tune=5), DIGITS).trials_per_cell == 5


@pytest.mark.parametrize("seeds", [1, 2, 6])
def test_the_seeds_of_search_confirmation_and_final_runs_are_apart(seeds):
    facts = plan(StudyConfig(seeds=seeds), DIGITS).facts()["config"]
    every = [*facts["seeds"], facts["search_seed"], *facts["confirm_seeds"]]
    assert len(set(every)) == seeds + 1 + len(CONFIRM_SEEDS)


def test_a_range_of_ones_own_takes_the_place_of_the_known_one():
    ranges = {"adam( beta2=0.9 )": (0.5, 2.0)}
    study = plan(StudyConfig(optimizers=("adam(beta2=0.9)", "adam"), learning_rate_ranges=ranges), DIGITS)
    assert study.ranges == {"adam(beta2=0.9)": (0.5, 2.0), "adam": RANGES["adam"]}


def test_runs_share_the_machine_unless_seconds_bound_them():
    assert StudyConfig().side_by_side == usable_cores()
    assert StudyConfig(length=Budget(seconds=1.0)).side_by_side == 1
    assert StudyConfig(length=Budget(seconds=1.0), workers=3).side_by_side == 3


@pytest.mark.parametrize("bounds", [{"epochs": 3}, {"steps": 50}, {"samples": 999}, {"seconds": 0.5}])
def test_the_page_is_told_the_budget_and_how_many_runs_share_the_machine(bounds):
    facts = plan(StudyConfig(length=Budget(**bounds)), DIGITS).facts()["config"]
    assert facts["budget"] == bounds
    assert facts["workers"] == (1 if "seconds" in bounds else usable_cores())


def test_the_page_is_told_what_the_model_chose_for_itself():
    facts = plan(StudyConfig(hidden=(8,), activation="tanh"), DIGITS).facts()["config"]
    assert {name: facts[name] for name in ("hidden", "activation", "init", "l2", "loss")} == {
        "hidden": [8], "activation": "tanh", "init": "xavier", "l2": 0.0, "loss": "cross_entropy",
    }  # fmt: skip


def test_the_page_is_told_how_far_a_search_may_go():
    facts = plan(StudyConfig(tune=8), DIGITS).facts()["config"]
    assert (facts["tune"], facts["extensions"], facts["extension_trials"], facts["confirm_rates"]) == (8, 2, 2, 3)
    facts = plan(StudyConfig(learning_rate=0.1), DIGITS).facts()["config"]
    assert (facts["tune"], facts["extensions"], facts["confirm_rates"], facts["confirm_seeds"]) == (0, 0, 0, [])


def test_the_facts_of_a_study_are_json_and_hold_what_was_decided():
    study = plan(StudyConfig(model="mlp", optimizers=("sgd", "adam"), hidden=(16, 8)), DIGITS)
    facts = study.facts()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["config"]["hidden"] == [16, 8]
    assert facts["config"]["batch_sizes"] == ["1", "8", "32", "128", "512", "full"]
    assert facts["config"]["learning_rate_ranges"].keys() == {"sgd", "adam"}
    assert facts["config"]["n_params"] == 65 * 16 + 17 * 8 + 9 * 10
    parts = [facts["dataset"][f"n_{part}"] for part in ("train", "validation", "test")]
    assert parts == [DIGITS.train.size, DIGITS.validation.size, DIGITS.test.size]
