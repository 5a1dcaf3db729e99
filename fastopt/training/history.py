"""What a training run leaves behind: its curve, its final parameters, and how it ended."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class Evaluation(NamedTuple):
    """One look at a run. Losses are means per row (natural logarithm), accuracies fractions of 1, `seconds` the
    training clock: compiled training only, without evaluation or compilation."""

    epoch: float
    step: int
    samples: int
    seconds: float
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float  # of the last step; nan before the first
    gradient_norm: float  # Euclidean, of the last batch's mean gradient; nan before the first step


class Squares(NamedTuple):
    """Squared Euclidean norms of the last batch's mean gradient, and of the mean gradients of its chunks, which are
    smaller batches of the same rows: `small` rows each on average, with the mean of their `small_square`."""

    small: float
    big: int
    small_square: float
    big_square: float


class Score(NamedTuple):
    """Mean loss per row and the fraction of rows that are classified right."""

    loss: float
    accuracy: float


class Try(NamedTuple):
    """One run of a training that may begin anew: at which rate, how it ended, after how many steps."""

    learning_rate: float
    status: str
    reason: str
    steps: int


@dataclass
class History:
    """The result of `fastopt.train`.

    status    "finished", "reached" (the goal), "diverged" or "interrupted"; `reason` says more
    tries     all runs of this training, the last of which is the one shown; more than one with on_divergence="retry"
    params    final parameters, flat, shape (n_params,): weights, then bias, layer by layer
    views     the same memory as named arrays, W1 (in, out), b1 (out,), ...
    settings  what was run, with what was decided automatically: backend, threads, chunks
    """

    status: str
    reason: str
    params: npt.NDArray[Any]
    views: dict[str, npt.NDArray[Any]]
    settings: dict[str, Any]
    tries: list[Try]
    evaluations: list[Evaluation] = field(repr=False)
    _test: Callable[[], Score] = field(repr=False)

    @property
    def frame(self) -> pd.DataFrame:
        """The curve as a pandas frame, one row per evaluation, columns as in `Evaluation`; row 0 is before step 1."""
        import pandas as pd

        return pd.DataFrame(self.evaluations, columns=list(Evaluation._fields))

    def test(self) -> Score:
        """Open the test part and return loss and accuracy on it; nan for both when the data set has none."""
        return self._test()

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw training and validation loss against epochs and return the matplotlib axes."""
        if axes is None:
            from matplotlib import pyplot

            axes = pyplot.figure(layout="constrained").add_subplot()
        frame = self.frame
        axes.plot(frame["epoch"], frame["train_loss"], label="training")
        if np.isfinite(frame["validation_loss"]).any():
            axes.plot(frame["epoch"], frame["validation_loss"], label="validation")
        axes.set(
            xlabel="epoch",
            ylabel="loss per row",
            yscale="log",
            title=self.settings["title"],
        )
        axes.legend()
        return axes

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.settings['title'])}: {self.status}</p>" + str(self.frame.to_html(index=False))
