"""The rules themselves, before anything is compiled: the menu is complete, and the oracle knows all of it."""

import inspect

import pytest

from fastopt.kernels.reference import FORMULAS
from fastopt.kernels.rules import RULES

from .hyper import HYPER


def test_every_rule_has_a_reference_formula_and_every_formula_a_rule():
    assert RULES.keys() == FORMULAS.keys()


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_takes_parameter_gradient_state_and_coefficients_and_holds_no_number(rule):
    taken = list(inspect.signature(rule.update).parameters)
    assert taken[0] == "param"
    assert taken[1] == "grad"
    assert len(taken) == 2 + len(rule.states) + len(_coefficients(rule))
    numbers = [c for c in rule.update.__code__.co_consts if isinstance(c, int | float)]
    assert numbers == []


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_learning_rate_is_the_first_hyperparameter(rule):
    assert rule.hyper[0] == "learning_rate"
    assert list(inspect.signature(rule.coefficients).parameters) == ["step", *rule.hyper]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_zero_gradient_with_zero_state_moves_nothing(rule):
    param, *state = rule.update(0.75, 0.0, *(0.0 for _ in rule.states), *_coefficients(rule))
    assert param == 0.75
    assert all(value in (0.0, HYPER["eps"]) for value in state)  # Adamax adds eps to |g| before it keeps the largest


def _coefficients(rule):
    return rule.coefficients(1, *({**HYPER, "weight_decay": 0.0}[name] for name in rule.hyper))
