"""Lowering the rate when the loss stops falling: decided on the host, where the loss has been evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastopt.errors import StateError
from fastopt.training.schedules.options import CountOrZero, Factor, NotNegative, Share, one_of

_STATE = ("factor", "best", "waited", "resting")


@dataclass
class Plateau:
    """base gamma^n: multiplied by gamma, again and again, when the loss has not fallen for `patience` evaluations.

    gamma : the factor of one reduction.
    patience : evaluations without a better loss that are let pass; the one after them reduces.
    threshold, threshold_mode : a loss is better when below best (1 - threshold) ("rel") or best - threshold ("abs").
    cooldown : evaluations after a reduction that do not count as bad.
    floor : the least rate, as a share of the base rate.
    metric : which loss is looked at, "train_loss" or "validation_loss".

    The decisions are those of PyTorch's ReduceLROnPlateau in mode "min" (min_lr = floor x base rate, eps = 0: its
    default skips reductions by less than 1e-8). Keras's callback of that name waits for one evaluation less, and its
    min_delta is absolute; Caffe's "plateau" counts iterations since the least smoothed loss, with a list of waits. A
    loss that is nan is never better.
    """

    gamma: Factor = 0.1
    patience: CountOrZero = 10
    threshold: NotNegative = 1e-4
    threshold_mode: Annotated[str, one_of("rel", "abs")] = "rel"
    cooldown: CountOrZero = 0
    floor: Share = 0.0
    metric: Annotated[str, one_of("train_loss", "validation_loss")] = "train_loss"
    factor: float = field(default=1.0, init=False)
    best: float = field(default=math.inf, init=False)
    waited: int = field(default=0, init=False)
    resting: int = field(default=0, init=False)

    def observe(self, loss: float) -> float:
        """Take note of one evaluation and return the factor of the base rate from here on, in [floor, 1]."""
        if self._is_better(loss):
            self.best = float(loss)
            self.waited = 0
        else:
            self.waited += 1
        if self.resting > 0:
            self.resting -= 1
            self.waited = 0
        if self.waited > self.patience:
            self.factor = min(self.factor, max(self.factor * self.gamma, self.floor))
            self.waited, self.resting = 0, self.cooldown
        return self.factor

    def state_dict(self) -> dict[str, float | int]:
        """Return all that later decisions depend on beside the options: plain numbers; `best` is inf at first."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned; raises StateError, before anything is changed, if it is not that."""
        if not isinstance(state, Mapping) or set(state) != set(_STATE):
            raise StateError(
                f"the state of a plateau schedule holds {', '.join(_STATE)}: pass what state_dict() returned"
            )
        try:
            factor, best = float(state["factor"]), float(state["best"])
            waited, resting = int(state["waited"]), int(state["resting"])
        except (TypeError, ValueError, OverflowError):
            raise StateError(f"the state of a plateau schedule is plain numbers, got {dict(state)!r}") from None
        if not 0.0 <= factor <= 1.0 or math.isnan(best) or waited < 0 or resting < 0:
            raise StateError(f"no plateau schedule can be in the state {dict(state)!r}")
        self.factor, self.best, self.waited, self.resting = factor, best, waited, resting

    def _is_better(self, loss: float) -> bool:
        if self.threshold_mode == "rel":
            return bool(loss < self.best * (1.0 - self.threshold))
        return bool(loss < self.best - self.threshold)
