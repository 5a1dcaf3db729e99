"""A rule of one's own: two plain functions and one call.

def sign_coefficients(step, learning_rate):
    return (learning_rate,)

def sign_descent(param, grad, rate):
    return (param - rate * math.copysign(1.0, grad),)

SignDescent = fastopt.register_rule("sign_descent", sign_descent, sign_coefficients, states=(),
                                    defaults={"learning_rate": 1e-3})
SignDescent(1e-2).step(params, grads)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastopt.errors import ConfigError, StateError, first_complaint, is_own_name
from fastopt.kernels.loops import MOST_STATES
from fastopt.kernels.rules import RULES, Rule
from fastopt.optimizers.base import Optimizer, Options
from fastopt.optimizers.hyper import check_hyper
from fastopt.optimizers.menu import OPTIMIZERS

_BUILT_IN = frozenset({*RULES, *OPTIMIZERS})


def register_rule(
    name: str,
    rule: Callable[..., Any],
    coefficients: Callable[..., Any],
    states: Sequence[str] = ("m", "v"),
    *,
    defaults: Mapping[str, float],
    formula: Callable[..., Any] | None = None,
) -> type[Optimizer]:
    """Make an optimizer of an update rule and return its class; it is on the menu, under `name`, from now on.

    Parameters
    ----------
    name : str
        A lower-case Python name that no optimizer of fastopt has. One's own may be registered again.
    rule : function
        rule(param, grad, *state, *coefficients) -> (param, *state): textbook maths on one number; `math` and `abs` are
        there. Literals with a point take the dtype of the arrays; write 1.0 for 1, which would make float64 work.
    coefficients : function
        coefficients(step, *hyper) -> tuple of numbers: what is the same for every element, once per step in float64;
        step counts from 1, hyper are the values of `defaults` in order.
    states : names of state arrays, at most three; they start at zero
    defaults : mapping
        Hyperparameters with their defaults, learning_rate first. A weight_decay among them is the rule's own business,
        as in AdamW; without, the common option is coupled L2.
    formula : function, optional
        The rule a second time, for backend "reference": formula(p, g, *state, t, *hyper) -> (p, *state) on whole
        arrays. Without it the reference is `rule` itself, run by Python on one number after another: that checks what
        was compiled, but not the maths.

    Raises ConfigError when the two functions cannot be compiled or do not fit each other.
    """
    hyper = dict(defaults)
    _check_names(name, states, hyper)
    for what, function in (("rule", rule), ("coefficients", coefficients)):
        if not inspect.isfunction(function):
            raise ConfigError(f"{what} must be a plain Python function, got {function!r}")
    made = Rule(name, rule, coefficients, tuple(states), tuple(hyper), formula)
    _check_compiles(made)
    RULES[name] = made
    OPTIMIZERS[name] = kind = _class(made, hyper)
    return kind


def _class(rule: Rule, defaults: dict[str, float]) -> type[Optimizer]:
    positional = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=value, annotation=float)
        for name, value in defaults.items()
    ]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=inspect.Parameter.empty)
        for name in Options.__annotations__
        if name not in defaults
    ]
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)

    def __init__(self: Optimizer, *values: float, **named: Any) -> None:  # noqa: N807
        given = inspect.Signature(positional).bind_partial(
            *values, **{key: value for key, value in named.items() if key in defaults}
        )
        others = {key: value for key, value in named.items() if key not in defaults}
        Optimizer.__init__(self, rule, {**defaults, **given.arguments}, **others)

    __init__.__signature__ = inspect.Signature([itself, *positional, *options])  # type: ignore[attr-defined]

    def __reduce__(self: Optimizer) -> Any:  # noqa: N807
        return _unpickled, (rule.name, rule.states, rule.hyper, {**self.__getstate__(), "rule": None})

    title = "".join(word.capitalize() for word in rule.name.split("_"))
    body = {"__init__": __init__, "__reduce__": __reduce__, "__doc__": inspect.getdoc(rule.update), "name": rule.name}
    return type(title, (Optimizer,), body)


def _unpickled(name: str, states: tuple[str, ...], hyper: tuple[str, ...], state: dict[str, Any]) -> Optimizer:
    """Make an optimizer again in a process where its rule is registered too."""
    if name not in OPTIMIZERS:
        raise StateError(f'the pickled optimizer has rule "{name}", which is not known here: register_rule it first')
    if (states, hyper) != (RULES[name].states, RULES[name].hyper):
        raise StateError(
            f'rule "{name}" was registered again with other states or hyperparameters since it was pickled'
        )
    optimizer = OPTIMIZERS[name].__new__(OPTIMIZERS[name])
    optimizer.__setstate__({**state, "rule": RULES[name]})
    return optimizer


def _check_names(name: str, states: Sequence[str], hyper: dict[str, float]) -> None:
    if not is_own_name(name):
        raise ConfigError(f"a rule's name is a lower-case Python name such as my_rule, got {name!r}")
    if name in _BUILT_IN:
        raise ConfigError(f'"{name}" is a rule of fastopt: choose another name')
    if isinstance(states, str) or len(set(states)) != len(states) or len(states) > MOST_STATES:
        raise ConfigError(f'states are up to three different names such as ("m", "v"), got {states!r}')
    if not hyper or next(iter(hyper)) != "learning_rate":
        raise ConfigError(f"defaults begin with learning_rate, got {', '.join(hyper) or 'none'}")
    for key, value in hyper.items():
        if key in Options.__annotations__ and key != "weight_decay":
            raise ConfigError(f'"{key}" is an option of every optimizer: choose another name for the hyperparameter')
        check_hyper(key, value)


def _check_compiles(rule: Rule) -> None:
    """Raise ConfigError unless both functions compile, fit each other, and stay in float32."""
    from numba import types

    from fastopt.kernels.literals import with_literals

    n_hyper, n_states = len(rule.hyper), len(rule.states)
    wanted = ["step", *rule.hyper]
    if len(inspect.signature(rule.coefficients).parameters) != len(wanted):
        raise ConfigError(f'coefficients of rule "{rule.name}" must take ({", ".join(wanted)})')
    made = _return_type(rule, "coefficients", rule.coefficients, (types.int64, *[types.float64] * n_hyper))
    if not isinstance(made, types.BaseTuple):
        raise ConfigError(f'coefficients of rule "{rule.name}" must return a tuple of numbers, got {made}: write (x,)')
    taken = 2 + n_states + len(made)
    if len(inspect.signature(rule.update).parameters) != taken:
        raise ConfigError(
            f'rule "{rule.name}" must take (param, grad, {n_states} states, {len(made)} coefficients), that is {taken} '
            f"arguments, got {len(inspect.signature(rule.update).parameters)}"
        )
    update = with_literals(rule.update, np.float32)
    result = _return_type(rule, "rule", update, (types.float32,) * taken)
    if not isinstance(result, types.BaseTuple) or len(result) != 1 + n_states:
        raise ConfigError(f'rule "{rule.name}" must return (param{", state" * n_states}), got {result}: write (param,)')
    if any(element != types.float32 for element in result):
        raise ConfigError(
            f'rule "{rule.name}" turns float32 into {", ".join(sorted({str(e) for e in result} - {"float32"}))}: write '
            "whole numbers with a point (1.0, not 1), and pass constants of the module as coefficients"
        )


def _return_type(rule: Rule, what: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    import numba

    try:
        dispatcher = numba.njit(function)
        dispatcher.compile(arguments)
    except Exception as error:  # somebody's function may fail in any way while Numba reads it
        reason = first_complaint(error)
        raise ConfigError(f'{what} of "{rule.name}" cannot be compiled: {reason}') from None
    return dispatcher.nopython_signatures[0].return_type
