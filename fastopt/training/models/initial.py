"""Where weights start. Biases start at zero in all of them.

| name   | a weight of a layer (in, out) is drawn from | for |
|--------|---------------------------------------------|-----|
| zeros  | 0                                           | one layer: its loss is convex, every start is as good |
| normal | N(0, 0.01^2)                                | small networks; the scale fits no depth in particular |
| xavier | U(-a, a), a = sqrt(6 / (in + out)): Glorot & Bengio 2010, equation 16 | tanh, sigmoid |
| he     | N(0, 2 / in): He et al. 2015, equation 10   | relu |

PyTorch's nn.Linear draws weights and biases from U(-1/sqrt(in), 1/sqrt(in)), Keras's Dense as `xavier`. Some lecture
notes call N(0, 1 / in) Xavier's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Draw = Callable[[np.random.Generator, tuple[int, int]], npt.NDArray[np.float64]]


def zeros(rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """All weights 0."""
    return np.zeros(shape)


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Normal with standard deviation 0.01."""
    return rng.normal(0.0, 0.01, shape)


def xavier(rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Uniform with variance 2 / (in + out)."""
    bound = math.sqrt(6.0 / (shape[0] + shape[1]))
    return rng.uniform(-bound, bound, shape)


def he(rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Normal with variance 2 / in."""
    return rng.normal(0.0, math.sqrt(2.0 / shape[0]), shape)


INITS: dict[str, Draw] = {"zeros": zeros, "normal": normal, "xavier": xavier, "he": he}
