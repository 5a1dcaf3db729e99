"""Whole epochs: our compiled driver beside its peers. The menu stands at the foot."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy.typing as npt

from fastopt.bench.contenders import Contender
from fastopt.bench.contenders.epoch_case import EpochCase, NumpyEager
from fastopt.bench.contenders.epoch_jax import JaxScan
from fastopt.bench.contenders.epoch_sklearn import SklearnMLP, SklearnSGD
from fastopt.bench.contenders.epoch_torch import TorchCompile, TorchDataLoader, TorchEager, TorchEagerOneThread
from fastopt.bench.contenders.keras_peers import KerasFit
from fastopt.bench.contenders.recipes import fastopt_optimizer
from fastopt.bench.contenders.training import train_epochs
from fastopt.measurements import OURS, PART


class FastoptEpochs(Contender):
    """Our compiled driver, with the backend that `fastopt.train` chooses; no evaluation inside."""

    name = "fastopt"
    role: ClassVar[str] = OURS
    packages: ClassVar[dict[str, str]] = {"numba": "numba", "scipy": "scipy"}

    def prepare(self, case: EpochCase) -> None:
        from fastopt.training.doors import resolve_backend
        from fastopt.training.run import Run

        data = case.arrays()
        model, params = case.start()
        optimizer = fastopt_optimizer(case.optimizer)
        parallel = resolve_backend("auto", model, optimizer, case.batch_size, case.threads)
        self.training = Run(
            data, model, optimizer, batch_size=case.batch_size, seed=case.seed, parallel=parallel, params=params
        )

    def run(self, repeats: int) -> None:
        train_epochs(self.training, repeats)

    def result(self) -> npt.NDArray[Any]:
        return self.training.params


class WithoutUpdate(FastoptEpochs):
    """Ours with a phase left out, which is what the phase costs; it learns nothing, so its answer is not checked."""

    name = "fastopt without update"
    role: ClassVar[str] = PART
    answers: ClassVar[bool] = False
    phase: ClassVar[str] = "update"

    def prepare(self, case: EpochCase) -> None:
        from fastopt.training.phases import leave_out

        super().prepare(case)
        leave_out(self.training, self.phase)


class WithoutModel(WithoutUpdate):
    """Ours without forward and backward: an order, and updates by a gradient of zero."""

    name = "fastopt without model"
    phase: ClassVar[str] = "model"


class WithoutOrder(WithoutUpdate):
    """Ours with the rows as they lie: no order is drawn."""

    name = "fastopt without order"
    phase: ClassVar[str] = "order"


CASE = EpochCase
CONTENDERS: dict[str, type[Contender]] = {
    "fastopt": FastoptEpochs,
    "fastopt without update": WithoutUpdate,
    "fastopt without model": WithoutModel,
    "fastopt without order": WithoutOrder,
    "torch eager": TorchEager,
    "torch eager, 1 thread": TorchEagerOneThread,
    "torch dataloader": TorchDataLoader,
    "torch compile": TorchCompile,
    "jax scan": JaxScan,
    "keras fit": KerasFit,
    "scikit-learn sgd": SklearnSGD,
    "scikit-learn mlp": SklearnMLP,
    "numpy": NumpyEager,
}
