"""How far a compiled update may be from the oracle run in the same dtype: the one place for it."""

import numpy as np

# For one step from the same params and state. Kernel and oracle round differently: another order of operations, such as
# m + (1 - b)(g - m) for b m + (1 - b) g, coefficients rounded to the dtype once, and on a device fused multiply-adds.
# Measured with the CUDA loops on the simulator, all rules and variants: float32 at most 3.0 units of 2**-24 (Adam's
# parameters; state 2.4), float64 at most 3.7 units of 2**-53, which is 4e-16. float32 leaves room for a few more
# roundings in a longer rule; float64 for values of every size, and a mistake is far above it.
TOLERANCE = {np.dtype(np.float32): 8 * 2.0**-24, np.dtype(np.float64): 1e-12}


def relative_error(got, want, before):
    """Return the largest error relative to |value| + |step|, the step being from `before` to `want`; 0 for no elements.

    The step belongs in the scale: where a value crosses zero, its own size says nothing about rounding.
    """
    got, want, before = (np.asarray(array, np.float64) for array in (got, want, before))
    scale = np.abs(want) + np.abs(want - before)
    error = np.abs(got - want)
    return float(np.max(np.divide(error, scale, out=error.copy(), where=scale > 0), initial=0.0))
