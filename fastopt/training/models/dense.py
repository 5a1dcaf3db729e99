"""Fully connected networks: softmax regression without a hidden layer, a multilayer perceptron with some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastopt.kernels import elements, factors, memory
from fastopt.training import gather
from fastopt.training.datasets import Dataset
from fastopt.training.models import dots, elementary, lanes, layers, network
from fastopt.training.models import product as tiles
from fastopt.training.models.base import Model
from fastopt.training.models.initial import INITS
from fastopt.training.models.options import check_l2, check_name, classes_of, whole_widths


class Dense(Model):
    """Layers with an activation between them, and a loss on the outputs of the last one.

    widths      input, hidden layers, outputs
    activation  "relu", "tanh" or "sigmoid"; at its kink relu'(0) = 0
    loss        "cross_entropy": -log softmax, natural logarithm; "squared": |output - target|^2; "half_squared": half
                of that, as in much of the literature. On classes the target is 1 for the class and 0 for the others.
                (PyTorch's MSELoss divides by the number of outputs too.)
    l2          adds l2 / 2 times the squared weights, not the biases, to the loss of each row, and so to every loss
                that is reported. (scikit-learn's alpha is l2 times the number of training rows.)
    init        see `fastopt.training.models.initial`
    product     "tiles" or "blas" decides who multiplies; their results differ in rounding. "auto" takes the tiles where
                the processor has 512-bit vectors.

    Parameters lie flat as W1 (in, out) row by row, b1 (out,), W2, b2, ...
    """

    modules = (network, layers, elementary, dots, tiles, lanes, memory, elements, factors, gather)

    def __init__(
        self,
        widths: Sequence[int],
        *,
        activation: str = "relu",
        loss: str = "cross_entropy",
        l2: float = 0.0,
        init: str = "he",
        product: str = "auto",
    ) -> None:
        check_name("activation", activation, layers.ACTIVATIONS)
        check_name("loss", loss, layers.LOSSES)
        check_name("init", init, INITS)
        check_name("product", product, (*network.PRODUCTS, "auto"))
        self.widths = tuple(int(width) for width in widths)
        self.product = ("tiles" if tiles.suits_this_cpu() else "blas") if product == "auto" else product
        head = layers.ACTIVATIONS[activation], layers.LOSSES[loss]
        self.shape = np.array([*head, *self.widths], dtype=np.int64)
        self.args = np.array([check_l2(l2)])
        self.draw = INITS[init]
        self.settings = {
            "hidden": list(self.widths[1:-1]),
            "activation": activation,
            "loss": loss,
            "l2": float(self.args[0]),
            "init": init,
            "product": self.product,
        }

    @property
    def loss_and_grad(self) -> Callable[..., Any]:  # type: ignore[override]
        return network.PRODUCTS[self.product][0]

    @property
    def evaluate(self) -> Callable[..., Any]:  # type: ignore[override]
        return network.PRODUCTS[self.product][1]

    @property
    def n_params(self) -> int:  # type: ignore[override]
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in self._layers())

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:  # type: ignore[override]
        """What may be left as factors: nothing with L2, whose gradient is none, or with one's own loss_and_grad."""
        own = self.loss_and_grad is not network.PRODUCTS[self.product][0]
        return () if own or self.args[0] > 0.0 else tuple(self._layers())

    def init(self, seed: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        params = np.zeros(self.n_params, dtype=dtype)
        rng = np.random.default_rng(seed)
        for name, view in self.views(params).items():
            if name.startswith("W"):
                view[...] = self.draw(rng, view.shape)
        return params

    def views(self, params: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Return the layers of flat `params` by name, W1 (in, out), b1 (out,), ..., without copying."""
        named, start = {}, 0
        for layer, (fan_in, fan_out) in enumerate(self._layers(), start=1):
            stop = start + fan_in * fan_out
            named[f"W{layer}"] = params[start:stop].reshape(fan_in, fan_out)
            named[f"b{layer}"] = params[stop : stop + fan_out]
            start = stop + fan_out
        return named

    def workspace_size(self, n_rows: int) -> int:
        block = min(n_rows, network.BLOCK_ROWS[self.product])
        matrices = [fan_in * fan_out for fan_in, fan_out in self._layers()]
        if self.product == "tiles":
            matrices[0] = 0  # only weights that deltas go back through are turned
        return block * (sum(self.widths) + sum(self.widths[1:])) + max(matrices) + max(self.widths)

    def _layers(self) -> list[tuple[int, int]]:
        return list(zip(self.widths[:-1], self.widths[1:], strict=True))


def softmax(
    dataset: Dataset, *, loss: str = "cross_entropy", l2: float = 0.0, init: str = "zeros", product: str = "auto"
) -> Dense:
    """Softmax (multinomial logistic) regression: one layer, as many outputs as classes."""
    widths = dataset.n_features, classes_of(dataset, "softmax")
    return Dense(widths, loss=loss, l2=l2, init=init, product=product)


def mlp(
    dataset: Dataset,
    *,
    hidden: Sequence[int] = (32,),
    activation: str = "relu",
    loss: str | None = None,
    l2: float = 0.0,
    init: str | None = None,
    product: str = "auto",
) -> Dense:
    """A multilayer perceptron; `hidden` are the widths of its hidden layers.

    The loss is cross_entropy on classes and squared on numbers, the start he for relu and xavier for the others, unless
    told.
    """
    widths = dataset.n_features, *whole_widths(hidden), max(1, dataset.n_classes)
    if loss is None:
        loss = "cross_entropy" if dataset.classes else "squared"
    if dataset.classes or loss == "cross_entropy":
        classes_of(dataset, "mlp")
    if init is None:
        init = "he" if activation == "relu" else "xavier"
    return Dense(widths, activation=activation, loss=loss, l2=l2, init=init, product=product)
