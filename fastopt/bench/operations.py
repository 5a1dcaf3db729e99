"""How much arithmetic an update rule is: its operations, counted in its own text."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap

_CALLS = ("sqrt", "abs")


@functools.cache
def operations(optimizer: str) -> int:
    """Return the floating-point operations per element of the update rule of `optimizer`, by its name in `recipes`.

    Every addition, subtraction, multiplication, division, root and absolute value in the rule's text counts as one, a
    division or a root too, though both take longer. What is worked out once per step does not count.
    Raises ConfigError for an optimizer that `recipes` does not have.
    """
    from fastopt.bench.contenders.recipes import check_optimizer, rule_of  # which load Numba

    check_optimizer(optimizer)
    tree = ast.parse(textwrap.dedent(inspect.getsource(rule_of(optimizer).update)))
    return sum(_counts(node) for node in ast.walk(tree))


def _counts(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        called = node.func
        return (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) in _CALLS
    return isinstance(node, ast.BinOp)
