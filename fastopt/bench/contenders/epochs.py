"""Whole epochs: our compiled driver beside its peers. The menu stands at the foot."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy.typing as npt

from fastopt.bench.contenders import Contender
from fastopt.bench.contenders.epoch_case import EpochCase, NumpyEager
from fastopt.bench.contenders.epoch_peers import JaxScan, SklearnSGD, TorchEager, TorchEagerOneThread
from fastopt.bench.contenders.recipes import fastopt_optimizer
from fastopt.errors import WorkerError
from fastopt.training.threads import one_blas_thread


class FastoptEpochs(Contender):
    """Our compiled driver, with the backend that `fastopt.train` chooses; no evaluation inside."""

    name = "fastopt"
    packages: ClassVar[dict[str, str]] = {"numba": "numba", "scipy": "scipy"}

    def prepare(self, case: EpochCase) -> None:
        from fastopt.training.doors import resolve_backend
        from fastopt.training.run import Run

        self.case = case
        data = case.arrays()
        model, params = case.start()
        parallel = resolve_backend("auto", model, case.batch_size, case.threads)
        optimizer = fastopt_optimizer(case.optimizer)
        self.training = Run(
            data, model, optimizer, batch_size=case.batch_size, seed=case.seed, parallel=parallel, params=params
        )

    def run(self, repeats: int) -> None:
        wanted = self.training.samples + repeats * self.case.n_rows
        with one_blas_thread():  # as `train` does
            self.training.advance(wanted)
        if self.training.samples != wanted:
            raise WorkerError(f"stopped after {self.training.samples} samples instead of {wanted}: the run diverged")

    def result(self) -> npt.NDArray[Any]:
        return self.training.params


CASE = EpochCase
CONTENDERS: dict[str, type[Contender]] = {
    "fastopt": FastoptEpochs,
    "torch eager": TorchEager,
    "torch eager, 1 thread": TorchEagerOneThread,
    "jax scan": JaxScan,
    "scikit-learn sgd": SklearnSGD,
    "numpy": NumpyEager,
}
