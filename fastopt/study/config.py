"""What a comparison is asked to do: its axes, budgets and options, before any data set has been looked at."""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from fastopt import durations
from fastopt.bench.machine import usable_cores
from fastopt.errors import ConfigError, unknown_name
from fastopt.optimizers import OPTIMIZERS, make_optimizer
from fastopt.optimizers.spec import canonical
from fastopt.study import batches
from fastopt.study.ranges import learning_rate_range
from fastopt.training import models
from fastopt.training.budget import Budget
from fastopt.training.doors import REDUCTIONS, TRAINING_BACKENDS
from fastopt.training.goal import METRICS, Goal
from fastopt.training.schedules import make_schedule
from fastopt.training.shuffle import SAMPLINGS

# Seeds of the search and of its confirmation: those of no final run, and fixed, so that another number of final seeds
# chooses the same rates.
SEARCH_SEED = 1_000_000
CONFIRM_SEEDS = (1_000_001, 1_000_002)

# The fields that go to the model; it says which of them it takes.
MODEL_OPTIONS = ("hidden", "activation", "init", "l2", "loss", "product")

# Epochs of a run for which no length was given, without a goal and with one.
EPOCHS, GOAL_EPOCHS = 20, 50

TableFormat = Literal["csv", "parquet"]


@dataclass(frozen=True)
class StudyConfig:
    """The axes and budgets of a comparison, as the user gave them.

    optimizers ("adam", "adam(beta2=0.99)") x batch_sizes are the cells. `tune` trials of the learning rate per cell
    (`fastopt.study.loss_course` says how they go on; 0: no search, `learning_rate` for all), then `seeds` final runs at
    the chosen rate on seeds 0, 1, ...; each run as long as `length`. With a goal rates are chosen by the steps to it
    (`fastopt.study.goal_course`), and a run ends there.

    batch_sizes     digits, "full" or powers "2^0..2^9"; empty: 1, 8, 32, 128, 512 below the training rows, and full
    hidden, activation, init, l2, loss, product    None: the model's own default
    goal            "train_loss=0.35", a metric of `fastopt.training.goal` and the value to reach; the metric alone:
                    what `fastopt.study.baseline` finds
    length          of a run at most; None: 20 epochs, with a goal 50
    budget          "45m": seconds, minutes or hours that the whole study may take; what is most telling comes first
    tune_also       with a goal: (lowest, highest) value of what is tuned beside the rate, by names such as "adam.beta2"
    transfer        with a goal: also test the rules of `fastopt.study.transfer` against the tuned rates
    learning_rate_ranges    (lowest, highest) rate to begin the search with, by optimizer; else those of `ranges`
    workers         runs that train side by side; None: one per core, and one where the budget is in seconds
    plugin          files that were loaded before: their content is part of what decides a result
    format          of the tables beside the page, "csv" or "parquet"
    """

    dataset: str = "digits"
    data_dir: str | None = None
    label: str | None = None
    task: str | None = None
    model: str = "mlp"
    hidden: tuple[int, ...] | None = None
    activation: str | None = None
    init: str | None = None
    l2: float | None = None
    loss: str | None = None
    product: str | None = None
    optimizers: tuple[str, ...] = ("sgd", "momentum", "rmsprop", "adam")
    batch_sizes: tuple[str, ...] = ()
    seeds: int = 6
    length: Budget | None = None
    goal: str | None = None
    budget: str | None = None
    transfer: bool = False
    tune_also: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    tune: int = 8
    learning_rate: float | None = None
    learning_rate_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    schedule: str = "constant"
    sampling: str = "fisher_yates"
    reduction: str = "mean"
    dtype: str = "float32"
    backend: str = "auto"
    workers: int | None = None
    timing_rounds: int = 7
    plugin: tuple[str, ...] = ()
    format: TableFormat = "csv"

    @functools.cached_property
    def run_length(self) -> Budget:
        """What ends a run that nothing else has ended."""
        return self.length or Budget(epochs=EPOCHS if self.goal is None else GOAL_EPOCHS)

    @property
    def side_by_side(self) -> int:
        """How many runs train at the same time."""
        if self.workers is not None:
            return self.workers
        return 1 if self.run_length.seconds is not None else usable_cores()

    @property
    def budget_s(self) -> float | None:
        """The seconds that the whole study may take; None where nothing bounds them."""
        return None if self.budget is None else durations.seconds(self.budget, "--budget")

    @property
    def tuned_also(self) -> dict[tuple[str, str], tuple[float, float]]:
        """The hyperparameters that are tuned beside the rate, by optimizer and name."""
        parts = {key: key.rpartition(".") for key in self.tune_also}
        return {(canonical(of), name): self.tune_also[key] for key, (of, _, name) in parts.items()}

    def check(self) -> None:
        """Raise ConfigError for whatever can be wrong without looking at the data."""
        _check_optimizers(self.optimizers)
        batches.expanded(self.batch_sizes)
        if self.model not in models.MODELS:
            raise unknown_name("model", self.model, models.MODELS)
        make_schedule(self.schedule)
        for name, known in MENUS.items():
            if getattr(self, name) not in known:
                raise unknown_name(name.replace("backend", "training backend"), getattr(self, name), known)
        self._check_numbers()
        self._check_goal()
        _check_ranges(self.learning_rate_ranges, self.optimizers)
        if self.format == "parquet" and importlib.util.find_spec("pyarrow") is None:
            raise ConfigError('format "parquet" needs pyarrow: pip install "fastopt[parquet]", or take csv')

    def _check_numbers(self) -> None:
        for name, least in {"seeds": 1, "tune": 0, "timing_rounds": 0, "workers": 1}.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} must be at least {least}, got {value}")
        if self.seeds > SEARCH_SEED:
            raise ConfigError(f"seeds must be at most {SEARCH_SEED}, got {self.seeds}")
        if self.learning_rate is None and self.tune == 0:
            raise ConfigError("with tune 0 there is no learning rate to train with: give --learning-rate too")
        if self.learning_rate is not None and not 0.0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning rate must be positive and finite, got {self.learning_rate}")

    def _check_goal(self) -> None:
        durations_given = self.budget_s  # raises for what is no time
        if self.goal is None:
            if durations_given is not None:
                raise ConfigError("--budget is for studies with a goal, whose runs can wait: give --goal too")
            if self.transfer:
                raise ConfigError("--transfer tests rules by the steps to a goal: give --goal too")
            if self.tune_also:
                raise ConfigError("--tune-also is for studies with a goal: give --goal too")
            return
        if self.goal not in METRICS:
            Goal.parse(self.goal)
        if self.run_length.seconds is not None:
            raise ConfigError("with a goal runs are counted in steps: bound them by epochs, steps or samples")
        _check_also(self.tuned_also, self.optimizers)
        if self.learning_rate is not None or self.tune < 1:
            raise ConfigError("with a goal every rate is tuned: give --tune 1 or more, and no --learning-rate")


# Menus that stand nowhere else, by the field that names one of their entries.
MENUS: dict[str, Collection[str]] = {
    "dtype": ("float32", "float64"),
    "backend": TRAINING_BACKENDS,
    "sampling": SAMPLINGS,
    "reduction": REDUCTIONS,
    "format": get_args(TableFormat),
}


def _check_optimizers(specs: Sequence[str]) -> None:
    if not specs:
        raise ConfigError(f"no optimizer to compare; known: {', '.join(sorted(OPTIMIZERS))}")
    for spec in specs:
        make_optimizer(spec)
        learning_rate_range(spec)
    names = [canonical(spec) for spec in specs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f'optimizer "{twice[0]}" is listed twice: name each once')


def _check_ranges(ranges: Mapping[str, tuple[float, float]], specs: Sequence[str]) -> None:
    compared = [canonical(spec) for spec in specs]
    for spec, (low, high) in ranges.items():
        if canonical(spec) not in compared:
            raise unknown_name("optimizer of learning_rate_ranges", spec, compared)
        if not 1e-12 <= low < high <= 1e12:
            raise ConfigError(
                f"the learning rates of {spec} must be a lowest and a highest one between 1e-12 and 1e12, got "
                f"{low:g} and {high:g}"
            )


def _check_also(also: Mapping[tuple[str, str], tuple[float, float]], specs: Sequence[str]) -> None:
    compared = [canonical(spec) for spec in specs]
    for (optimizer, name), (low, high) in also.items():
        if optimizer not in compared:
            raise unknown_name("optimizer of --tune-also", optimizer, compared)
        own = make_optimizer(optimizer).rule.hyper
        if name not in own[1:]:
            raise unknown_name(f"hyperparameter of {optimizer} to tune", name, own[1:])
        if not 0.0 < low < high or (name.startswith("beta") and high >= 1.0):
            raise ConfigError(
                f"{optimizer}.{name} is tuned from a lowest to a highest value above 0, and below 1 for a beta; got "
                f"{low:g} and {high:g}"
            )
        for bound in (low, high):
            make_optimizer(optimizer, **{name: bound})
