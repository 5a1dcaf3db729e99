"""The menu of models: built from names and options, and one line for all that cannot be built."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from fastopt.errors import ConfigError
from fastopt.training.datasets import from_arrays
from fastopt.training.models import MODELS, Dense, Single, build
from fastopt.training.models.menu import _BUILT_IN, option_names

X = np.arange(12.0).reshape(6, 2)
THREE = from_arrays((X, np.arange(6) % 3))
TWO = from_arrays((X, np.arange(6) % 2))
TARGETS = from_arrays((X, np.arange(6) + 0.5))
ONE = from_arrays((X, np.array(["only"] * 6)))
FITTING = {"linear": TARGETS, "logistic": TWO, "mlp": THREE, "softmax": THREE}


def test_every_model_of_fastopt_is_tested_here():
    assert set(MODELS) >= set(FITTING) == set(_BUILT_IN)


def refused(match, name, dataset, **options):
    with pytest.raises(ConfigError, match=match) as raised:
        build(name, dataset, **options)
    assert "\n" not in str(raised.value)


# --- What is built ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dataset", "widths", "loss"),
    [
        ("softmax", THREE, (2, 3), "cross_entropy"),
        ("softmax", TWO, (2, 2), "cross_entropy"),
        ("mlp", THREE, (2, 32, 3), "cross_entropy"),
        ("mlp", TARGETS, (2, 32, 1), "squared"),
    ],
)
def test_a_network_takes_its_outer_widths_and_its_loss_from_the_data_set(name, dataset, widths, loss):
    model = build(name, dataset)
    assert isinstance(model, Dense)
    assert model.widths == widths
    assert model.settings["loss"] == loss
    assert model.init(0, "float32").size == model.n_params == sum((a + 1) * b for a, b in itertools.pairwise(widths))


@pytest.mark.parametrize(("name", "loss"), [("linear", "squared"), ("logistic", "logistic")])
def test_a_model_of_one_output_has_a_weight_for_each_feature_and_a_bias(name, loss):
    model = build(name, FITTING[name])
    assert isinstance(model, Single)
    assert model.n_params == 3
    assert model.settings["loss"] == loss


@pytest.mark.parametrize("name", FITTING)
def test_settings_say_all_that_was_chosen_and_build_the_same_model_again(name):
    model = build(name, FITTING[name], l2=np.float32(0.25))
    settings = json.loads(json.dumps(model.settings))
    assert settings["l2"] == 0.25
    own = {key: value for key, value in settings.items() if key in option_names(name)}
    assert build(name, FITTING[name], **own).settings == model.settings


def test_an_option_that_is_none_is_left_to_the_model():
    assert build("mlp", THREE, hidden=None, activation=None).settings == build("mlp", THREE).settings


@pytest.mark.parametrize(("activation", "init"), [("relu", "he"), ("tanh", "xavier"), ("sigmoid", "xavier")])
def test_the_activation_decides_where_an_mlp_starts_unless_told(activation, init):
    assert build("mlp", THREE, activation=activation).settings["init"] == init
    assert build("mlp", THREE, activation=activation, init="normal").settings["init"] == "normal"


@pytest.mark.parametrize("name", ["linear", "logistic", "softmax"])
def test_a_model_of_one_layer_starts_at_zero(name):
    assert not build(name, FITTING[name]).init(3, "float32").any()


@pytest.mark.parametrize("hidden", [(8,), [8, 4], np.array([8, 4]), (np.int32(8), 4)])
def test_hidden_widths_may_be_any_sequence_of_integers(hidden):
    assert build("mlp", THREE, hidden=hidden).widths == (2, *hidden, 3)


@pytest.mark.parametrize("name", FITTING)
def test_targets_are_a_column_in_the_dtype_of_the_features(name):
    dataset = FITTING[name]
    targets = build(name, dataset).targets(dataset)
    assert targets.dtype == dataset.features.dtype
    assert (targets == dataset.labels.reshape(-1, 1)).all()


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("mpl", r'^unknown model "mpl" \(did you mean "mlp"\?\); known: linear, logistic, mlp, '),
        ("nothing", r'^unknown model "nothing"; known: linear, '),
        (7, r'^unknown model "7"'),
        (["mlp"], r"^unknown model"),
    ],
)
def test_an_unknown_model_is_refused_with_the_menu(name, match):
    refused(match, name, THREE)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"activation": "rely"}, r'^unknown activation "rely" \(did you mean "relu"\?\); known: relu, sigmoid, tanh$'),
        ({"activation": ["relu"]}, r"^unknown activation"),
        ({"loss": "cross_entrop"}, r'^unknown loss "cross_entrop" \(did you mean "cross_entropy"\?\)'),
        ({"loss": "logistic"}, r'^unknown loss "logistic"; known: cross_entropy, half_squared, squared$'),
        ({"init": "hee"}, r'^unknown init "hee" \(did you mean "he"\?\); known: he, normal, xavier, zeros$'),
        ({"product": "blass"}, r'^unknown product "blass" \(did you mean "blas"\?\); known: auto, blas, tiles$'),
    ],
)
def test_an_unknown_option_value_is_refused_with_what_there_is(options, match):
    refused(match, "mlp", THREE, **options)


@pytest.mark.parametrize(
    ("name", "option", "takes"),
    [
        ("linear", "hidden", "loss, l2, init"),
        ("logistic", "loss", "l2, init"),
        ("softmax", "activation", "loss, l2, init, product"),
        ("mlp", "bias", "hidden, activation, loss, l2, init, product"),
    ],
)
def test_an_option_that_a_model_does_not_take_is_refused_with_those_it_takes(name, option, takes):
    refused(rf'^model "{name}" takes no "{option}"; its options: {takes}$', name, FITTING[name], **{option: "x"})


@pytest.mark.parametrize("l2", [-0.1, math.nan, math.inf, -math.inf, 10**400, "0.1", True, 1j, np.array([0.1])])
@pytest.mark.parametrize("name", FITTING)
def test_an_l2_that_is_no_finite_number_of_at_least_0_is_refused(name, l2):
    refused(r"^l2 must be a finite number of at least 0, got ", name, FITTING[name], l2=l2)


@pytest.mark.parametrize(
    "hidden",
    [(), [], (0,), (-3,), (8, 0), (2.5,), ("8",), "8", (True,), (8, None), 8, np.array([]), np.ones((2, 2), int)],
)
def test_an_mlp_without_proper_hidden_layers_is_refused(hidden):
    refused("^hidden must be ", "mlp", THREE, hidden=hidden)


@pytest.mark.parametrize(
    ("name", "dataset", "options", "match"),
    [
        ("linear", THREE, {}, r'"linear" predicts numbers, data set "arrays" has 3 classes: take "logistic"'),
        ("linear", TARGETS, {"loss": "logistic"}, r'unknown loss of model linear "logistic"; known: half_squared'),
        ("logistic", TARGETS, {}, r'"logistic" needs two classes at least, data set "arrays" has none'),
        ("logistic", THREE, {}, r'"logistic" tells two classes apart, data set "arrays" has 3: take "softmax"'),
        (
            "softmax",
            TARGETS,
            {},
            r'"softmax" needs two classes at least, data set "arrays" has none.*"linear", or "mlp"',
        ),
        ("softmax", ONE, {}, r'"softmax" needs two classes at least, data set "arrays" has 1'),
        ("mlp", TARGETS, {"loss": "cross_entropy"}, r'"mlp" needs two classes at least, data set "arrays" has none'),
        ("mlp", ONE, {"loss": "squared"}, r'"mlp" needs two classes at least, data set "arrays" has 1'),
    ],
)
def test_a_data_set_that_does_not_suit_the_model_is_refused(name, dataset, options, match):
    refused(match, name, dataset, **options)


def test_one_output_with_an_unknown_loss_or_start_is_refused():
    for options in ({"loss": "huber"}, {"loss": "squared", "init": "one"}):
        with pytest.raises(ConfigError, match=r"^unknown (loss|init)"):
            Single(3, **options)
