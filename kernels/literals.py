"""Numbers written into a rule take the dtype of the arrays, so that textbook text with literals stays in float32."""

import functools
import types

import numpy as np


@functools.cache
def with_literals(function, dtype):
    """Return `function` with its floating-point literals as numbers of `dtype`; itself when it holds none.

    Numba reads `0.5 * grad` as float64 work whatever grad is. Whole numbers are left alone, since `grad**2` wants its 2
    as it is: `1 - x` still makes float64, which `register_rule` notices and explains.
    """
    code, kind = function.__code__, np.dtype(dtype).type
    constants = tuple(kind(c) if isinstance(c, float) else c for c in code.co_consts)
    if all(new is old for new, old in zip(constants, code.co_consts, strict=True)):
        return function
    made = types.FunctionType(
        code.replace(co_consts=constants),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    made.__module__ = function.__module__
    made.__qualname__ = f"{function.__qualname__}_{np.dtype(dtype).name}"
    return made
