"""Random numbers for made data: the same on every machine and in every release."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["Draws"]


class Draws:
    """A stream of float64 draws that belongs to a seed.

    The bits are those of numpy.random.PCG64, a stream that NumPy guarantees; what is made of them is written here,
    because NumPy's own distributions may change between releases.
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self, *shape: int) -> NDArray[np.float64]:
        """Multiples of 2**-53 in [0, 1)."""
        raw: NDArray[np.uint64] = self._bits.random_raw(math.prod(shape))
        return ((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)

    def normal(self, *shape: int) -> NDArray[np.float64]:
        """Mean 0, standard deviation 1; Box & Muller, Annals of Mathematical Statistics 29, 1958.

        The last bit depends on the machine's logarithm and cosine: round what is kept to float32.
        """
        n = math.prod(shape)
        radius = np.sqrt(-2.0 * np.log(1.0 - self.uniform((n + 1) // 2)))
        angle = 2.0 * math.pi * self.uniform((n + 1) // 2)
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:n].reshape(shape)
