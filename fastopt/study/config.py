"""What a comparison compares: read from the command line, checked against the data set, written beside the results."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastopt.errors import ConfigError, unknown_name
from fastopt.optimizers import OPTIMIZERS, make_optimizer
from fastopt.optimizers.spec import canonical
from fastopt.study.ranges import learning_rate_range
from fastopt.training import models
from fastopt.training.datasets import Dataset
from fastopt.training.models import Mlp
from fastopt.training.train import TRAINING_BACKENDS, resolve_batch_size

DEFAULT_BATCH_SIZES = (1, 8, 32, 128, 512)

# The seed of all search trials, and of no final run; fixed, so that another number of seeds chooses the same rates.
SEARCH_SEED = 1_000_000


@dataclass(frozen=True)
class StudyConfig:
    """The axes and budgets of a comparison, as the user gave them.

    optimizers ("adam", "adam(beta2=0.99)") x batch_sizes are the cells. `tune` trials of the learning rate per cell on
    `SEARCH_SEED` (0: no search, `learning_rate` for all), then `n_seeds` final runs at the chosen rate on seeds 0, 1,
    ...; each run `epochs` long.
    `batch_sizes` are digits or "full"; empty means 1, 8, 32, 128, 512 as far as they are below the training rows, and
    full. `workers` is the number of runs that train side by side, None for one per core.
    """

    dataset: str = "digits"
    model: str = "mlp"
    hidden: tuple[int, ...] | None = None
    optimizers: tuple[str, ...] = ("sgd", "momentum", "rmsprop", "adam")
    batch_sizes: tuple[str, ...] = ()
    n_seeds: int = 6
    epochs: int = 20
    tune: int = 8
    learning_rate: float | None = None
    dtype: str = "float32"
    backend: str = "auto"
    workers: int | None = None
    data_dir: str | None = None
    label: str | None = None
    timing_rounds: int = 7

    def check(self) -> None:
        """Raise ConfigError for whatever can be wrong without looking at the data."""
        _check_optimizers(self.optimizers)
        if self.model not in models.MODELS:
            raise unknown_name("model", self.model, models.MODELS)
        if self.dtype not in ("float32", "float64"):
            raise unknown_name("dtype", self.dtype, ("float32", "float64"))
        if self.backend not in TRAINING_BACKENDS:
            raise unknown_name("training backend", self.backend, TRAINING_BACKENDS)
        least = {"n_seeds": 1, "epochs": 1, "tune": 0, "timing_rounds": 0, "workers": 1}
        for name, minimum in least.items():
            value = getattr(self, name)
            if value is not None and value < minimum:
                raise ConfigError(f"{name.replace('n_', '')} must be at least {minimum}, got {value}")
        if self.n_seeds > SEARCH_SEED:
            raise ConfigError(f"seeds must be at most {SEARCH_SEED}, got {self.n_seeds}")
        if self.learning_rate is None and self.tune == 0:
            raise ConfigError("with tune 0 there is no learning rate to train with: give --learning-rate too")
        if self.learning_rate is not None and not 0.0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning rate must be positive and finite, got {self.learning_rate}")


@dataclass(frozen=True)
class Cell:
    """One point of a comparison: an optimizer at a batch size; `batch` is how the user wrote `batch_size` rows."""

    optimizer: str
    batch: str
    batch_size: int


@dataclass(frozen=True)
class Study:
    """A configuration that fits its data set: what the runner runs."""

    config: StudyConfig
    dataset: Dataset
    model: Mlp
    cells: tuple[Cell, ...]
    ranges: dict[str, tuple[float, float]]

    @property
    def trials_per_cell(self) -> int:
        """Search trials in every cell: none when the rate is given."""
        return 0 if self.config.learning_rate is not None else self.config.tune

    def facts(self) -> dict[str, Any]:
        """Return what the report wants to know, JSON-able, by the keys of the `meta` table."""
        config, data = self.config, self.dataset
        return {
            "config": {
                "dataset": config.dataset,
                "model": config.model,
                "hidden": list(self.model.widths[1:-1]),
                "optimizers": list(self.ranges),
                "batch_sizes": list(dict.fromkeys(cell.batch for cell in self.cells)),
                "seeds": list(range(config.n_seeds)),
                "search_seed": SEARCH_SEED,
                "epochs": config.epochs,
                "tune": self.trials_per_cell,
                "learning_rate": config.learning_rate,
                "learning_rate_ranges": {name: list(bounds) for name, bounds in self.ranges.items()},
                "dtype": config.dtype,
                "backend": config.backend,
                "timing_rounds": config.timing_rounds,
                "n_params": self.model.n_params,
            },
            "dataset": {
                "name": data.name,
                "n_train": int(data.train.size),
                "n_validation": int(data.validation.size),
                "n_test": int(data.test.size),
                "n_features": data.n_features,
                "n_classes": data.n_classes,
                "provenance": data.provenance,
            },
        }


def plan(config: StudyConfig, dataset: Dataset) -> Study:
    """Fit a configuration to its data set; raises ConfigError where they disagree."""
    config.check()
    if dataset.validation.size == 0:
        raise ConfigError(f'data set "{dataset.name}" has no validation rows to choose learning rates on')
    model = models.build(config.model, dataset, config.hidden)
    n_rows = int(dataset.train.size)
    batches = config.batch_sizes or (*(str(size) for size in DEFAULT_BATCH_SIZES if size < n_rows), "full")
    sizes = {batch: resolve_batch_size(_batch_number(batch), n_rows) for batch in batches}
    _check_distinct("batch size", batches)
    for batch, other in itertools.combinations(batches, 2):
        if sizes[batch] == sizes[other]:
            raise ConfigError(f'batch sizes "{batch}" and "{other}" are both {sizes[batch]} rows: name each once')
    names = [canonical(spec) for spec in config.optimizers]
    cells = tuple(Cell(name, batch, sizes[batch]) for name in names for batch in batches)
    return Study(config, dataset, model, cells, {name: learning_rate_range(name) for name in names})


def _batch_number(batch: str) -> int | str:
    if batch == "full":
        return batch
    try:
        return int(batch)
    except ValueError:
        return batch  # resolve_batch_size says what is wrong with it


def _check_optimizers(specs: Sequence[str]) -> None:
    if not specs:
        raise ConfigError(f"no optimizer to compare; known: {', '.join(sorted(OPTIMIZERS))}")
    for spec in specs:
        make_optimizer(spec)
        learning_rate_range(spec)
    _check_distinct("optimizer", [canonical(spec) for spec in specs])


def _check_distinct(kind: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ConfigError(f'{kind} "{twice[0]}" is listed twice: name each once')
