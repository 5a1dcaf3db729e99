"""A configuration that meets its data set: the cells, and the facts about them that the report wants to know."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastopt.errors import ConfigError, DataError
from fastopt.optimizers.spec import canonical
from fastopt.study import batches, search, waves
from fastopt.study.config import CONFIRM_SEEDS, MODEL_OPTIONS, SEARCH_SEED, StudyConfig
from fastopt.study.ranges import learning_rate_range
from fastopt.training import models
from fastopt.training.budget import steps_in
from fastopt.training.checksums import file_sha256
from fastopt.training.datasets import Dataset
from fastopt.training.doors import check_goal, check_metric
from fastopt.training.goal import METRICS, Goal
from fastopt.training.models import Model
from fastopt.training.schedules import Schedule, make_schedule


@dataclass(frozen=True)
class Cell:
    """One point of a comparison: an optimizer at a batch size; `batch` is how the user wrote `batch_size` rows."""

    optimizer: str
    batch: str
    batch_size: int


@dataclass(frozen=True)
class Study:
    """A configuration that fits its data set: what the runner runs. `plugins` are names and SHA-256 sums of files."""

    config: StudyConfig
    dataset: Dataset
    model: Model
    cells: tuple[Cell, ...]
    ranges: dict[str, tuple[float, float]]
    plugins: tuple[tuple[str, str], ...]

    @property
    def trials_per_cell(self) -> int:
        """Search trials that every cell begins with: none when the rate is given."""
        return 0 if self.config.learning_rate is not None else self.config.tune

    def axes(self, optimizer: str) -> list[waves.Axis]:
        """Return what is tuned for an optimizer on the way to a goal: the learning rate, and what was asked for."""
        also = {name: bounds for (of, name), bounds in self.config.tuned_also.items() if of == optimizer}
        own = [waves.Axis(name, *bounds) for name, bounds in also.items()]
        return [waves.Axis(waves.RATE, *self.ranges[optimizer]), *own]

    @functools.cached_property
    def goal(self) -> Goal | None:
        """The goal that runs end at, if there is one, and its value is known."""
        goal = self.config.goal
        return None if goal is None or goal in METRICS else Goal.parse(goal)

    @functools.cached_property
    def schedule(self) -> Schedule:
        """The learning-rate schedule of every run."""
        return make_schedule(self.config.schedule)

    def most_samples(self, cell: Cell) -> int | None:
        """Return the samples at which a run of `cell` ends; None where seconds alone decide."""
        return self.config.run_length.most_samples(int(self.dataset.train.size), cell.batch_size)

    def total_steps(self, cell: Cell) -> int | None:
        """Return the steps of a run of `cell`; None where seconds alone decide."""
        most, n_rows = self.most_samples(cell), int(self.dataset.train.size)
        return None if most is None else steps_in(most, n_rows, cell.batch_size)

    def facts(self) -> dict[str, Any]:
        """Return what the report wants to know, JSON-able, by the keys of the `meta` table."""
        return {"config": self._config_facts(), "dataset": self._dataset_facts()}

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """All that decides the result of a run and is the same for all runs, JSON-able.

        The version of fastopt is part of it, since a release may change a rule; the machine is not.
        """
        config = self.config
        return {
            "fastopt": importlib.metadata.version("fastopt"),
            "dataset": self.dataset.provenance,
            "model": config.model,
            "model_settings": self.model.settings,
            "schedule": str(self.schedule),
            "sampling": config.sampling,
            "reduction": config.reduction,
            "dtype": config.dtype,
            "budget": {
                name: value for name, value in dataclasses.asdict(config.run_length).items() if value is not None
            },
            "plugins": [{"name": name, "sha256": digest} for name, digest in self.plugins],
            **({} if self.goal is None else {"goal": dataclasses.asdict(self.goal)}),
        }

    def _config_facts(self) -> dict[str, Any]:
        config, tune = self.config, self.trials_per_cell
        shared = ("model", "model_settings", "schedule", "sampling", "reduction", "dtype", "budget", "plugins")
        return {
            "dataset": Path(config.dataset).name,
            **{name: self.identity[name] for name in shared},
            **{name: self.model.settings.get(name) for name in MODEL_OPTIONS},
            "n_params": self.model.n_params,
            "optimizers": list(self.ranges),
            "batch_sizes": list(dict.fromkeys(cell.batch for cell in self.cells)),
            "backend": config.backend,
            "seeds": list(range(config.seeds)),
            "tune": tune,
            "learning_rate": config.learning_rate,
            "learning_rate_ranges": {name: list(bounds) for name, bounds in self.ranges.items()},
            "search_seed": SEARCH_SEED,
            "extensions": search.EXTENSIONS if tune else 0,
            "extension_trials": search.extension_trials(tune),
            "confirm_rates": search.CONFIRMED if tune else 0,
            "confirm_seeds": list(CONFIRM_SEEDS) if tune else [],
            "workers": config.side_by_side,
            "timing_rounds": config.timing_rounds,
            **({} if self.goal is None else self._goal_facts()),
        }

    def _goal_facts(self) -> dict[str, Any]:
        return {
            "goal": self.identity["goal"],
            "study_budget_s": self.config.budget_s,
            "cutoff": waves.CUTOFF,
            "transfer": self.config.transfer,
            "tune_also": {f"{of}.{name}": list(bounds) for (of, name), bounds in self.config.tuned_also.items()},
            "waves": len(waves.sizes(self.config.tune)),
            "extensions": 0,
        }

    def _dataset_facts(self) -> dict[str, Any]:
        data = self.dataset
        return {
            "name": data.name,
            "n_train": int(data.train.size),
            "n_validation": int(data.validation.size),
            "n_test": int(data.test.size),
            "n_features": data.n_features,
            "n_classes": data.n_classes,
            "provenance": data.provenance,
        }


def plan(config: StudyConfig, dataset: Dataset) -> Study:
    """Fit a configuration to its data set; raises ConfigError where they disagree."""
    config.check()
    if dataset.validation.size == 0:
        raise ConfigError(f'data set "{dataset.name}" has no validation rows to choose learning rates on')
    options = {name: getattr(config, name) for name in MODEL_OPTIONS}
    model = models.build(config.model, dataset, **options)
    sizes = batches.resolved(config.batch_sizes, int(dataset.train.size))
    names = [canonical(spec) for spec in config.optimizers]
    cells = tuple(Cell(name, batch, rows) for name in names for batch, rows in sizes.items())
    given = {canonical(spec): bounds for spec, bounds in config.learning_rate_ranges.items()}
    ranges = {name: given.get(name) or learning_rate_range(name) for name in names}
    study = Study(config, dataset, model, cells, ranges, tuple(_digest(path) for path in config.plugin))
    check_goal(study.goal, dataset)
    if config.goal in METRICS:  # its value is not known yet
        check_metric(f"goal {config.goal}", config.goal, dataset)
    for cell in cells[: len(sizes)]:
        study.schedule.rate(1.0, 1, 1, study.total_steps(cell))  # raises where the run is too short for it, or endless
    return study


def _digest(path: str) -> tuple[str, str]:
    try:
        return Path(path).name, file_sha256(Path(path))
    except OSError as error:
        raise DataError(f'cannot read plugin "{path}": {error.strerror}') from error
