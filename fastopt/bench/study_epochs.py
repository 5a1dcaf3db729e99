"""The epochs of a study beside those of other libraries, and the batch-size timing study of a textbook course.

The course asks what batch sizes cost in time alone: one row (stochastic), some (mini-batch) and all of them (batch),
powers of two beside their neighbours, on 512 rows, by the seconds and the updates of an epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastopt.bench.contenders import Case, find
from fastopt.bench.contenders.epoch_case import MODELS, EpochCase
from fastopt.bench.requests import EpochRequest
from fastopt.errors import ConfigError
from fastopt.measurements import PART, TIMING_STUDY
from fastopt.training.datasets import DATASETS

TIMING_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 63, 64, 65, 100, 128, 256, 512)

# What peers do as we do (`EpochCase`): field of a study's configuration -> what it may be.
_ALIKE: dict[str, tuple[Any, ...]] = {
    "model": MODELS,
    "activation": ("relu", None),
    "loss": ("cross_entropy", "logistic"),
    "l2": (0.0, None),
    "reduction": ("mean",),
    "dtype": ("float32",),
    "sampling": ("fisher_yates", "bijection"),
}


@dataclass(frozen=True, kw_only=True)
class StudyEpochs(EpochRequest):
    """The grid of a study, and the timing study: logistic regression with SGD. Phases were timed by the study."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.threads) > 1:
            given = ",".join(map(str, self.threads))
            raise ConfigError(f"a study's steps are timed with one number of threads, got --threads {given}")

    def cases(self) -> Iterator[Case]:
        grid = list(super().cases())
        yield from grid
        yield from (case for case in self._timing_study() if case not in grid)

    def _timing_study(self) -> Iterator[Case]:
        shape: dict[str, Any] = {**TIMING_STUDY, "hidden": (), "n_features": 20, "n_classes": 2}
        for batch_size in TIMING_BATCH_SIZES:
            yield EpochCase(batch_size=batch_size, threads=self.threads[0], seed=self.seed, **shape)

    def _wanted(self, name: str) -> bool:
        return super()._wanted(name) and find(self.kind, name).role != PART


def request_of(meta: Mapping[str, Any], **common: Any) -> StudyEpochs:
    """Return the request for the study whose recorded facts are `meta`; `common` are the fields that all requests have.

    Raises ConfigError for a study that the peers' contenders cannot do the same as.
    """
    config, data = meta.get("config") or {}, meta.get("dataset") or {}
    if not config.get("batch_sizes") or "model" not in config:
        raise ConfigError("this study has no training of ours to time: it was read from logs, or has not begun")
    for field, alike in _ALIKE.items():
        if config.get(field) not in alike:
            expected, has = " or ".join(str(value) for value in alike if value is not None), config.get(field)
            raise ConfigError(f"other libraries are timed with {field} {expected}; this study has {has}")
    if data["name"] not in DATASETS:
        raise ConfigError(f"other libraries are timed on what `fastopt list datasets` has, not on {data['name']}")
    n_rows = int(data["n_train"])
    sizes = {n_rows if batch == "full" else int(batch): None for batch in config["batch_sizes"]}
    return StudyEpochs(
        **common,
        optimizers=tuple(config["optimizers"]),
        batch_sizes=tuple(sizes),
        model=config["model"],
        hidden=tuple(config.get("hidden") or ()),
        data=data["name"],
        n_features=int(data["n_features"]),
        n_classes=int(data["n_classes"]),
        n_rows=n_rows,
    )
