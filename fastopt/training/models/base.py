"""What a model is: two plain functions that are compiled, and the few facts that a driver needs beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.training.datasets import Dataset


class Model:
    """The base of all models; `fastopt.register_model` puts one's own on the menu.

    A model is made for a data set, as Model(dataset, **options), and sets `n_params`. Its two functions are static,
    plain Python that Numba compiles, f being float32 or float64:

        loss_and_grad(params f[n], X f[N, d], Y f[N, q], rows int64[b], grads f[n], workspace f[w],
                      shape int64[s], args float64[a], buffers f[r], training int64) -> float64
        evaluate(params, X, Y, rows, workspace, shape, args, buffers, out float64[3])

    `rows` are the rows of X and Y to use. The loss and its gradient are *sums* over these rows (the driver makes means
    of them); `grads` is overwritten. `evaluate` writes sums too: loss, correct rows (nan where there is no right and
    wrong), rows. Nothing in them may raise: an exception inside a compiled callback is lost. A number with a point
    makes float64 work of float32; `params.dtype.type(0.5)` does not.

    A model may save the driver writing and reading the gradient of a batch of one row, where that is outer products,
    as it is for fully connected layers with biases: it says in `layers` how many inputs and outputs each of them has,
    and its loss_and_grad takes an eleventh argument, factors int64[len(layers), 6]. Where that table has rows,
    `fastopt.kernels.factors.write_layer(factors, layer, inputs, slopes)` is called for each layer instead of writing
    its part of `grads`, with vectors in X and `workspace`; where it has none, everything is as above.

    n_params   length of the flat parameters
    layers     (inputs, outputs) of the layers whose gradients are left as factors, which are all parameters, or ()
    n_buffers  length of `buffers`: state that is no parameter
    shape      whole numbers for the two functions, such as widths
    args       numbers for them, such as the strength of L2
    settings   what was chosen, JSON-able: it is part of a run's identity and is printed on the page
    """

    n_params: int
    layers: tuple[tuple[int, int], ...] = ()
    n_buffers: int = 0
    shape: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    args: npt.NDArray[np.float64] = np.zeros(0)
    settings: dict[str, Any] = {}  # noqa: RUF012  (replaced, never changed)

    loss_and_grad: ClassVar[Callable[..., Any]]
    evaluate: ClassVar[Callable[..., Any]]

    # Modules whose code the two functions call: Numba's cache does not watch them. Without, a function is cached
    # between processes when it calls nothing but NumPy and `math`.
    modules: ClassVar[tuple[Any, ...]] = ()

    def init(self, seed: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return initial parameters, shape (n_params,), that depend on `seed` alone; zeros unless overridden."""
        return np.zeros(self.n_params, dtype)

    def views(self, params: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Return the parts of flat `params` by name, without copying."""
        return {"params": params}

    def workspace_size(self, n_rows: int) -> int:
        """Return how many elements the two functions need beside their arguments for up to `n_rows` rows."""
        return 0

    def targets(self, dataset: Dataset) -> npt.NDArray[Any]:
        """Return Y (N, q) in the dtype of the features; q = 1, class numbers or targets, unless overridden."""
        return np.ascontiguousarray(dataset.labels, dataset.features.dtype).reshape(-1, 1)
