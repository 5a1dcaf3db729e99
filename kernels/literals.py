"""Numbers written into a rule take the dtype of the arrays, so that textbook text with literals stays in float32."""

import numpy as np

from .copies import copied


def with_literals(function, dtype):
    """Return a copy of `function` with its floating-point literals as numbers of `dtype`.

    Numba reads `0.5 * grad` as float64 work whatever grad is. Whole numbers are left alone, since `grad**2` wants its 2
    as it is: `1 - x` still makes float64, which `register_rule` notices and explains.
    """
    code, kind = function.__code__, np.dtype(dtype).type
    constants = tuple(kind(c) if isinstance(c, float) else c for c in code.co_consts)
    return copied(function, code.replace(co_consts=constants))
