"""Whole epochs in scikit-learn: a linear model one row at a time, and its network in batches."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Contender
from fastopt.bench.contenders.epoch_case import EpochCase
from fastopt.bench.contenders.recipes import HYPER, short_form_eps
from fastopt.errors import PeerUnavailable


class SklearnSGD(Contender):
    """scikit-learn's SGDClassifier, one `partial_fit` per epoch: plain SGD, one row at a time, whatever the optimizer.

    It does less work than an Adam, and so is not asked for its answer.
    """

    name = "scikit-learn sgd"
    packages: ClassVar[dict[str, str]] = {"sklearn": "scikit-learn"}
    answers = False

    @classmethod
    def suits(cls, case: Any) -> bool:
        return isinstance(case, EpochCase) and case.model == "logistic" and case.batch_size == 1

    def prepare(self, case: EpochCase) -> None:
        from sklearn.linear_model import SGDClassifier

        data = case.arrays()
        self.features, self.labels = data.features, data.labels
        rate = HYPER["sgd"]["learning_rate"]
        self.model = SGDClassifier(
            loss="log_loss", penalty=None, learning_rate="constant", eta0=rate, random_state=case.seed
        )
        self.model.partial_fit(self.features, self.labels, classes=np.arange(2))

    def run(self, repeats: int) -> None:
        for _ in range(repeats):
            self.model.partial_fit(self.features, self.labels)

    def result(self) -> npt.NDArray[Any]:
        return np.concatenate([self.model.coef_.reshape(-1), self.model.intercept_])


class SklearnMLP(Contender):
    """scikit-learn's MLPClassifier, one `partial_fit` per epoch: ReLU, softmax, no L2, shuffled, on BLAS's threads.

    For two classes it has one output where the case has two, so it is left off their menu.
    """

    name = "scikit-learn mlp"
    packages: ClassVar[dict[str, str]] = {"sklearn": "scikit-learn"}

    @classmethod
    def suits(cls, case: Any) -> bool:
        return isinstance(case, EpochCase) and case.model == "mlp" and len(case.hidden) > 0 and case.n_classes > 2

    def prepare(self, case: EpochCase) -> None:
        if case.optimizer == "rmsprop":
            raise PeerUnavailable("scikit-learn's MLPClassifier has no RMSprop")
        from sklearn.neural_network import MLPClassifier

        data = case.arrays()
        self.features, self.labels = data.features, data.labels
        network, params = case.start()
        views = network.views(params)
        self.model = MLPClassifier(
            case.hidden,
            alpha=0.0,
            batch_size=case.batch_size,
            random_state=np.random.RandomState(case.seed),  # a number would give the same order in every epoch
            **_sklearn_optimizer(case.optimizer),
        )
        first = slice(case.batch_size)
        self.model.partial_fit(self.features[first], self.labels[first], classes=np.arange(case.n_classes))
        for layer, (weights, bias) in enumerate(zip(self.model.coefs_, self.model.intercepts_, strict=True), start=1):
            weights[...], bias[...] = views[f"W{layer}"], views[f"b{layer}"]
        del self.model._optimizer  # and its state: the next call makes another

    def run(self, repeats: int) -> None:
        for _ in range(repeats):
            self.model.partial_fit(self.features, self.labels)

    def result(self) -> npt.NDArray[Any]:
        layers = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return np.concatenate([part.reshape(-1) for layer in layers for part in layer])


def _sklearn_optimizer(name: str) -> dict[str, Any]:
    """Return the arguments of MLPClassifier that make its optimizer ours; its Adam has the short form."""
    hyper = HYPER[name]
    options: dict[str, Any] = {"solver": "sgd", "momentum": hyper.get("beta", 0.0), "nesterovs_momentum": False}
    if name == "adam":
        options = {"solver": "adam", "beta_1": hyper["beta1"], "beta_2": hyper["beta2"], "epsilon": short_form_eps()}
    return {"learning_rate_init": hyper["learning_rate"], **options}
