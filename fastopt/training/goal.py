"""A goal: a measure of the run and the value that it is to reach."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fastopt.errors import ConfigError, unknown_name
from fastopt.streak import first_streak
from fastopt.training.history import Evaluation

__all__ = ["METRICS", "Goal"]

# What can be a goal, and whether more of it is better.
METRICS = {"train_loss": False, "validation_loss": False, "validation_accuracy": True}


@dataclass(frozen=True)
class Goal:
    """`metric` at `value` or better at `in_a_row` evaluations one after another, of which the first is the hit.

    One evaluation may be lucky; two in a row seldom are. Raises ConfigError for an unknown metric, a value that is not
    a finite number, and fewer than one evaluation.
    """

    metric: str
    value: float
    in_a_row: int = 2

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise unknown_name("metric of a goal", self.metric, METRICS)
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not math.isfinite(self.value):
            raise ConfigError(f"the value of a goal must be a finite number, got {self.value!r}")
        if isinstance(self.in_a_row, bool) or not isinstance(self.in_a_row, int | np.integer) or self.in_a_row < 1:
            raise ConfigError(f"a goal must be met at 1 evaluation or more in a row, got {self.in_a_row!r}")

    def __str__(self) -> str:
        return f"{self.metric}={self.value:g}"

    @classmethod
    def parse(cls, text: str) -> Goal:
        """Return the goal that a text such as "validation_loss=0.4" describes; raises ConfigError for any other."""
        metric, _, value = (part.strip() for part in text.partition("="))
        try:
            return cls(metric, float(value))
        except ValueError as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f'cannot read goal "{text}": write it as validation_loss=0.4') from None

    @property
    def rises(self) -> bool:
        """Whether more of the metric is better."""
        return METRICS[self.metric]

    def met(self, look: Evaluation) -> bool:
        """Return whether one evaluation is at the value or better."""
        found: float = getattr(look, self.metric)
        return found >= self.value if self.rises else found <= self.value

    def hit(self, looks: list[Evaluation]) -> int | None:
        """Return the index of the evaluation at which the goal was hit, or None."""
        return first_streak(map(self.met, looks), self.in_a_row)
