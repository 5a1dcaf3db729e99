"""How good parameters are on sets of rows, found by one compiled call for all sets."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastopt.training import driver
from fastopt.training.datasets import Dataset
from fastopt.training.history import Score
from fastopt.training.models import EVALUATION_WORDS, Model, compiled_evaluate

NOT_SCORED = Score(math.nan, math.nan)


class RowSets(NamedTuple):
    """Sets of rows as the compiled loop takes them: `rows` int64[m], set after set, which end at `ends` int64[sets]."""

    rows: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]


def row_sets(*sets: npt.NDArray[np.int64]) -> RowSets:
    """Return `sets` side by side, made once for all the looks of a run."""
    ends = np.cumsum([rows.size for rows in sets], dtype=np.int64)
    return RowSets(np.concatenate([np.empty(0, dtype=np.int64), *sets]), ends)


class Scoring:
    """Scores parameters of `model` on rows of `dataset`, whose `targets` are f[N, q].

    It holds the memory that a look takes, megabytes for a model of many inputs, and compiles when it is made, not
    between two epochs.
    """

    def __init__(self, dataset: Dataset, model: Model, targets: npt.NDArray[Any], *, parallel: bool) -> None:
        dtype = dataset.features.dtype
        self._dataset, self._model, self._targets = dataset, model, targets
        self._workspace = np.empty((driver.EVALUATION_LANES, model.workspace_size(driver.EVALUATION_BLOCK)), dtype)
        self._arguments = np.empty((driver.EVALUATION_LANES, EVALUATION_WORDS), np.int64)
        self._evaluate = compiled_evaluate(model, dtype).address
        self._loop = driver.compiled_evaluation(dtype, parallel=parallel)

    @property
    def memory_bytes(self) -> int:
        return self._workspace.nbytes

    def __call__(self, params: npt.NDArray[Any], buffers: npt.NDArray[Any], sets: RowSets) -> list[Score]:
        """Return mean loss and accuracy of `params` (n_params,) over each set of rows; nan for a set without rows."""
        sums = np.zeros((sets.ends.size, driver.EVALUATION_LANES, 3))
        self._loop(
            self._evaluate,
            params,
            self._dataset.features,
            self._targets,
            sets.rows,
            sets.ends,
            self._workspace,
            self._model.shape,
            self._model.args,
            buffers,
            self._arguments,
            sums,
        )
        return [Score(loss / n, correct / n) if n else NOT_SCORED for loss, correct, n in sums[:, 0].tolist()]
