"""A wrong answer is noticed: another hyperparameter, a step too few, a batch left out, a sum that should be a mean."""

import math

import pytest

from fastopt.bench import contenders
from fastopt.bench.contenders import epoch_case, recipes
from fastopt.bench.contenders.epoch_case import EpochCase, NumpyEager
from fastopt.bench.contenders.update_case import UpdateCase
from fastopt.bench.contenders.updates import NumpyUnfused
from tests.bench.contenders.checking import SMALL_EPOCH, failed_checks


@pytest.mark.parametrize(
    ("optimizer", "name", "value"),
    [
        ("sgd", "learning_rate", 1.001e-2),
        ("momentum", "beta", 0.89),
        ("rmsprop", "beta", 0.99),
        ("rmsprop", "eps", 1e-4),
        ("adam", "beta1", 0.89),
        ("adam", "beta2", 0.99),
        ("adam", "learning_rate", 1.001e-3),
    ],
)
def test_another_hyperparameter_is_a_wrong_answer(monkeypatch, optimizer, name, value):
    case = UpdateCase(optimizer, 1003, threads=1)
    assert failed_checks(NumpyUnfused(), case) == []  # and the reference is known from here on
    monkeypatch.setitem(recipes.HYPER, optimizer, {**recipes.HYPER[optimizer], name: value})
    assert failed_checks(NumpyUnfused(), case) == [0]


def test_a_last_element_left_behind_is_a_wrong_answer():
    class Short(NumpyUnfused):
        def result(self):
            params = super().result().copy()
            params[-1] = self.case.arrays()[0][-1]
            return params

    assert failed_checks(Short(), UpdateCase("adam", 1003, threads=1)) == [0]


@pytest.mark.parametrize("units", [9, 11])
def test_a_step_too_few_or_too_many_is_a_wrong_answer(units):
    (check,) = UpdateCase("adam", 1003, threads=1).checks()
    contender = NumpyUnfused()
    contender.prepare(check.case)
    contender.run(units)
    assert check.case.error(contender.result(), check.units) > check.tolerance


def test_a_gradient_summed_over_the_batch_is_a_wrong_answer(monkeypatch):
    case = EpochCase("adam", 8, 60, **SMALL_EPOCH)
    assert failed_checks(NumpyEager(), case) == []
    mean = epoch_case._gradient
    monkeypatch.setattr(epoch_case, "_gradient", lambda *arguments: 8 * mean(*arguments))
    assert 1 in failed_checks(NumpyEager(), case)  # Adam alone would not show it, SGD does


def test_a_bias_that_is_never_updated_is_a_wrong_answer(monkeypatch):
    case = EpochCase("adam", 8, 60, **SMALL_EPOCH)
    assert failed_checks(NumpyEager(), case) == []
    gradient = epoch_case._gradient

    def without_last_bias(case, model, *arguments):
        grads = gradient(case, model, *arguments)
        model.views(grads)["b3"][:] = 0
        return grads

    monkeypatch.setattr(epoch_case, "_gradient", without_last_bias)
    assert failed_checks(NumpyEager(), case) == [0, 1, 2]


def test_a_dropped_last_batch_is_a_wrong_answer():
    class DropLast(NumpyEager):
        def run(self, repeats):
            b = self.case.batch_size
            for _ in range(repeats):
                for start in range(0, self.case.n_rows - b + 1, b):
                    rows = slice(start, start + b)
                    grads = epoch_case._gradient(
                        self.case, self.model, self.params, self.features[rows], self.labels[rows]
                    )
                    self.step += 1
                    self.params, self.state = recipes.formula_step(
                        self.case.optimizer, self.params, grads, self.state, self.step
                    )

    assert failed_checks(DropLast(), EpochCase("adam", 8, 60, **SMALL_EPOCH)) == [2]


@pytest.mark.parametrize("case", [UpdateCase("adam", 5, threads=1), EpochCase("adam", 4, 8, **SMALL_EPOCH)])
def test_a_nan_and_a_wrong_shape_are_no_answer(case):
    contender = contenders.find(case.kind, "numpy")()
    contender.prepare(case)
    params = contender.result().copy()
    params[-1] = math.nan
    assert math.isnan(case.error(params, 1))
    assert case.error(params[:-1], 1) == math.inf


def test_a_tensor_in_the_place_of_another_is_a_wrong_answer():
    class Swapped(NumpyUnfused):
        def result(self):
            self.params[0], self.params[1] = self.params[1], self.params[0]
            return super().result()

    assert failed_checks(Swapped(), UpdateCase("adam", 1003, n_tensors=17, threads=1)) == [0]
