"""The tables that a report writes beside its page, as CSV or Parquet files."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from fastopt.errors import ConfigError, unknown_name
from fastopt.records import Records
from fastopt.report.cells import STATUSES, Cell, cells, has_accuracy
from fastopt.report.files import replace

if TYPE_CHECKING:
    import pandas as pd

TableFormat = Literal["csv", "parquet"]


def check_format(table_format: str) -> None:
    """Raise ConfigError for a format that is unknown, or that needs a package which is not installed."""
    if table_format not in get_args(TableFormat):
        raise unknown_name("table format", table_format, get_args(TableFormat))
    if table_format == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ConfigError('table format "parquet" needs pyarrow (not installed): pip install pyarrow, or take "csv"')


def frames(records: Records) -> dict[str, pd.DataFrame]:
    """Return runs, curves, timings and the summary, by the names of their files."""
    return {"runs": records.runs, "curves": records.curves, "timings": records.timings, "summary": summary(records)}


def write_frames(frames: Mapping[str, pd.DataFrame], folder: Path, table_format: TableFormat) -> list[Path]:
    """Write each table into `folder` under its name, and return the files."""
    paths = []
    for name, frame in frames.items():
        path = folder / f"{name}.{table_format}"
        replace(path, partial(frame.to_csv if table_format == "csv" else frame.to_parquet, index=False))
        paths.append(path)
    return paths


def summary(records: Records) -> pd.DataFrame:
    """Return one row per optimizer x batch size, in the order of the configuration, in SI units.

    `*_low` and `*_high` are 95 % bounds of the median before them, empty with fewer than six values. A diverged or
    failed run counts as a validation loss of inf and an accuracy of -inf; without classes there are no accuracies.
    The columns from `valley_low` on are those of `rates_frame`.
    """
    import pandas as pd

    table = cells(records)
    rows = []
    for cell in table:
        row = _head(cell) | {"learning_rate": cell.learning_rate, "learning_rate_edge": cell.edge}
        row |= {"trials": cell.trials, "trials_diverged": cell.trials_diverged, "finals": cell.finals}
        row |= {status: getattr(cell, status) for status in STATUSES}
        intervals = {"validation_loss": cell.loss}
        if has_accuracy(table):
            intervals["test_accuracy"] = cell.accuracy
        intervals |= {"epoch_time_s": cell.epoch_time_s, "step_time_s": cell.step_time_s}
        for column, interval in intervals.items():
            row |= {column: interval.median, f"{column}_low": interval.low, f"{column}_high": interval.high}
        row |= {"timing_rounds": len(cell.epoch_times_s), "threads": cell.threads or None}
        row |= {"updates_per_epoch": cell.updates_per_epoch, "steps": cell.steps, "samples": cell.samples}
        row |= {"estimated_training_time_s": cell.training_time_s, "memory_bytes": cell.memory_bytes}
        rows.append(row | _valley(cell))
    return pd.DataFrame(rows)


def rates_frame(table: Sequence[Cell]) -> pd.DataFrame:
    """Return what is known about the learning rates of each cell.

    `valley_low` and `valley_high` are the ends of the range of rates around the best whose loss is at most
    `fastopt.report.valley.WITHIN` times the lowest, `valley_width` their ratio; `valley_open_*` says that an end is the
    outermost rate tried. `largest_stable_rate` is the largest rate tried of which no run diverged,
    `first_unstable_rate` the next one tried above it.
    """
    import pandas as pd

    return pd.DataFrame([_head(cell) | {"learning_rate": cell.learning_rate} | _valley(cell) for cell in table])


def _head(cell: Cell) -> dict[str, Any]:
    return {"optimizer": cell.optimizer, "batch": cell.batch, "batch_size": cell.batch_size}


def _valley(cell: Cell) -> dict[str, Any]:
    low, high = cell.valley.ends
    below, above = cell.valley.open_ends
    return {
        "valley_low": low,
        "valley_high": high,
        "valley_width": cell.valley.width,
        "valley_open_below": below,
        "valley_open_above": above,
        "largest_stable_rate": cell.valley.largest_stable,
        "first_unstable_rate": cell.valley.first_unstable,
        "trials_extended": cell.trials_extended,
        "confirming_runs": cell.confirming,
    }
