"""Numbers written into a rule take the dtype of the arrays, so that textbook text with literals stays in float32."""

import types

import numpy as np


def with_literals(function, dtype):
    """Return a copy of `function` with its floating-point literals as numbers of `dtype`.

    Numba reads `0.5 * grad` as float64 work whatever grad is. Whole numbers are left alone, since `grad**2` wants its 2
    as it is: `1 - x` still makes float64, which `register_rule` notices and explains.
    """
    code, kind = function.__code__, np.dtype(dtype).type
    constants = tuple(kind(c) if isinstance(c, float) else c for c in code.co_consts)
    return copied(function, code.replace(co_consts=constants))


def copied(function, code=None):
    """Return a copy of a plain function, with other code if given: renaming it leaves the original alone."""
    made = types.FunctionType(
        code or function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    made.__module__, made.__qualname__ = function.__module__, function.__qualname__
    return made
