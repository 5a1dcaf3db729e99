"""Whole epochs of training as a case: what is trained on what, and how far an answer may be from NumPy's."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Case, Check, Contender, check_whole
from fastopt.bench.contenders.recipes import check_optimizer, formula_step, rule_of
from fastopt.errors import ConfigError, unknown_name
from fastopt.training import datasets
from fastopt.training.datasets import Dataset
from fastopt.training.models import Dense, Model, Single

MODELS = ("mlp", "logistic")

# Largest error of a layer's parameters, in the 2-norm, relative to the way that the reference went. Where a gradient is
# a sum that cancels to rounding noise, the first steps of Adam and RMSprop have its random
# sign: some 1e-5 of all elements.
TOLERANCE = 2e-2
CHECK_STEPS = 3


@dataclass(frozen=True)
class EpochCase(Case):
    """Epochs of training in float32 over `n_rows` rows, shuffled anew for each.

    model       "mlp": ReLU, softmax cross-entropy, `hidden` widths; "logistic": one score, for two classes
    data        "random": `n_features` normal features and `n_classes` classes that a random linear map decides; or a
                name that `fastopt.training.datasets.DATASETS` knows, whose first `n_rows` training rows are taken
    n_distinct  row i is row i modulo n_distinct of the data; 0: all rows are their own
    batch_size  1 to n_rows; the last batch of an epoch may be smaller, and is used

    Raises ConfigError for unknown names and for numbers out of range.
    """

    kind: ClassVar[str] = "epoch"
    unit: ClassVar[str] = "epoch"

    optimizer: str
    batch_size: int
    n_rows: int
    model: str = "mlp"
    hidden: tuple[int, ...] = (128,)
    data: str = "random"
    n_features: int = 784
    n_classes: int = 10
    n_distinct: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "hidden", tuple(self.hidden))  # JSON knows lists only
        check_optimizer(self.optimizer)
        if self.model not in MODELS:
            raise unknown_name("model of an epoch case", self.model, MODELS)
        check_whole(
            batch_size=(self.batch_size, 1),
            n_rows=(self.n_rows, 1),
            n_features=(self.n_features, 1),
            n_classes=(self.n_classes, 2),
            n_distinct=(self.n_distinct, 0),
            **{f"hidden[{layer}]": (width, 1) for layer, width in enumerate(self.hidden)},
        )
        if self.batch_size > self.n_rows:
            raise ConfigError(f"batch size {self.batch_size} is larger than the {self.n_rows} rows")
        if self.model == "logistic" and self.n_classes != 2:
            raise ConfigError(f"a logistic model tells two classes apart, n_classes is {self.n_classes}")

    @property
    def label(self) -> str:
        return f"{self.optimizer} {self.model} {'-'.join(str(width) for width in self.widths)} batch {self.batch_size}"

    @property
    def widths(self) -> tuple[int, ...]:
        """Input, hidden layers, outputs; a logistic model has one output."""
        if self.model == "logistic":
            return self.n_features, 1
        return (self.n_features, *self.hidden, self.n_classes)

    @property
    def steps_per_unit(self) -> int:
        return math.ceil(self.n_rows / self.batch_size)

    @property
    def bytes_per_step(self) -> int:
        """The update's share of a step: parameters and states read and written, the gradient read (ours may not)."""
        n_params = sum((a + 1) * b for a, b in zip(self.widths[:-1], self.widths[1:], strict=True))
        return n_params * 4 * (3 + 2 * len(rule_of(self.optimizer).states))

    def arrays(self) -> Dataset:
        """Return the data, fresh, float32, all rows for training."""
        shape = self.n_features, self.n_classes
        features, labels, classes = _data(self.data, self.n_rows, self.n_distinct or self.n_rows, *shape, self.seed)
        rows = np.arange(self.n_rows, dtype=np.int64)
        return Dataset(self.data, features.copy(), labels.copy(), rows, rows[:0], rows[:0], classes, {})

    def start(self) -> tuple[Model, npt.NDArray[Any]]:
        """Return the model and its initial parameters (n_params,) float32: weights (in, out) by rows, then the bias."""
        model: Model
        if self.model == "logistic":
            model = Single(self.n_features, loss="logistic")
        else:
            model = Dense(self.widths, init="he" if self.hidden else "zeros")
        return model, model.init(self.seed, np.float32)

    def checks(self) -> tuple[Check, ...]:
        """Three cases whose outcome no order of the rows can change, so that parameters must agree.

        One batch of this size, with this optimizer; the same with SGD, whose step, unlike Adam's, shows a sum that
        should be a mean; and two and a half batches of one repeated row, which shows a batch too few or too many.
        """
        b = self.batch_size
        one_batch = replace(self, n_rows=b, n_distinct=0)
        walk = replace(self, n_rows=2 * b + (b + 1) // 2, n_distinct=1)
        return (
            Check(one_batch, CHECK_STEPS, TOLERANCE),
            Check(replace(one_batch, optimizer="sgd"), CHECK_STEPS, TOLERANCE),
            Check(walk, 1, TOLERANCE),
        )

    def error(self, result: npt.NDArray[Any], units: int) -> float:
        start, end, model = _reference(self, units)
        if result.shape != end.shape:
            return math.inf
        before, after, came = model.views(start), model.views(end), model.views(result)
        errors = []
        for name, layer in after.items():
            way = np.linalg.norm(layer - before[name])
            errors.append(np.linalg.norm(came[name] - layer) / way if way > 0 else np.abs(came[name] - layer).max())
        return float(np.max(errors))  # np.max keeps a nan, max would not


@functools.lru_cache(maxsize=1)  # one for all blocks of a case: to draw or load it takes longer than most epochs
def _data(
    name: str, n_rows: int, n_distinct: int, n_features: int, n_classes: int, seed: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], tuple[str, ...]]:
    """Return features (n_rows, n_features), labels (n_rows,) and the names of the classes."""
    draw = _drawn if name == "random" else _loaded
    features, labels, classes = draw(name, min(n_distinct, n_rows), n_features, n_classes, seed)
    if n_distinct < n_rows:
        repeated = np.arange(n_rows) % n_distinct
        features, labels = features[repeated], labels[repeated]
    return features, labels, classes


def _drawn(name: str, n_rows: int, n_features: int, n_classes: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n_rows, n_features), dtype=np.float32)
    features *= np.float32(0.25)  # |x|^2 = 49 for 784 features, like the pixels of an image
    teacher = rng.standard_normal((n_features, n_classes), dtype=np.float32)
    labels = (features @ teacher).argmax(axis=1).astype(np.int64)
    return features, labels, tuple(str(k) for k in range(n_classes))


def _loaded(name: str, n_rows: int, n_features: int, n_classes: int, seed: int) -> Any:
    whole = datasets.load(name)
    if n_rows > whole.train.size:
        raise ConfigError(f"{name} has {whole.train.size} training rows, the case asks for {n_rows}")
    has = whole.n_features, whole.n_classes
    if has != (n_features, n_classes):
        raise ConfigError(f"{name} has {has[0]} features and {has[1]} classes, the case {n_features} and {n_classes}")
    rows = whole.train[:n_rows]
    return whole.features[rows], whole.labels[rows], whole.classes


@functools.lru_cache(maxsize=4)
def _reference(case: EpochCase, epochs: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Model]:
    """Parameters before and after, (n_params,) float64 each, and the model, from the NumPy loop in float64."""
    loop = NumpyEager()
    loop.prepare(case, np.dtype(np.float64))
    start = loop.params.copy()
    loop.run(epochs)
    return start, loop.params, loop.model


class NumpyEager(Contender):
    """The same loop in NumPy, gradients by hand, the oracle's unfused update; in float64 it is the reference."""

    name = "numpy"

    def prepare(self, case: EpochCase, dtype: np.dtype[Any] = np.dtype(np.float32)) -> None:  # noqa: B008
        self.case, data = case, case.arrays()
        self.features, self.labels = data.features.astype(dtype, copy=False), data.labels
        self.model, params = case.start()
        self.params = params.astype(dtype)
        self.state = [np.zeros_like(self.params) for _ in rule_of(case.optimizer).states]
        self.rng = np.random.default_rng(case.seed)
        self.step = 0

    def run(self, repeats: int) -> None:
        b, n_rows = self.case.batch_size, self.case.n_rows
        for _ in range(repeats):
            order = self.rng.permutation(n_rows)
            for start in range(0, n_rows, b):
                rows = order[start : start + b]
                grads = _gradient(self.case, self.model, self.params, self.features[rows], self.labels[rows])
                self.step += 1
                self.params, self.state = formula_step(self.case.optimizer, self.params, grads, self.state, self.step)

    def result(self) -> npt.NDArray[Any]:
        return self.params


def _gradient(
    case: EpochCase, model: Model, params: npt.NDArray[Any], X: npt.NDArray[Any], y: npt.NDArray[np.int64]
) -> npt.NDArray[Any]:
    """Return the gradient (n_params,) of the mean loss over the rows X (b, d) with classes y (b,)."""
    n_layers = len(case.widths) - 1
    views, grads = model.views(params), np.empty_like(params)
    into = model.views(grads)
    outputs = [X]
    for layer in range(1, n_layers + 1):
        z = outputs[-1] @ views[f"W{layer}"] + views[f"b{layer}"]
        outputs.append(np.maximum(z, 0) if layer < n_layers else z)
    delta = _sigmoid_delta(outputs[-1], y) if case.model == "logistic" else _softmax_delta(outputs[-1], y)
    delta /= len(y)
    for layer in range(n_layers, 0, -1):
        np.matmul(outputs[layer - 1].T, delta, out=into[f"W{layer}"])
        delta.sum(axis=0, out=into[f"b{layer}"])
        if layer > 1:
            delta = (delta @ views[f"W{layer}"].T) * (outputs[layer - 1] > 0)
    return grads


def _softmax_delta(logits: npt.NDArray[Any], y: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    delta: npt.NDArray[Any] = e / e.sum(axis=1, keepdims=True)
    delta[np.arange(len(y)), y] -= 1
    return delta


def _sigmoid_delta(scores: npt.NDArray[Any], y: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    delta: npt.NDArray[Any] = (1 / (1 + np.exp(-scores)) - y[:, None]).astype(scores.dtype, copy=False)
    return delta
