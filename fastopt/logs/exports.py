"""What TensorBoard and Weights & Biases export as CSV, brought into the format of `table`.

Neither says what batch size, rate and seed a run had: its name must. A pattern says how to read it, such as
"bs{batch_size}_lr{learning_rate}_s{seed}". Names of runs that do not fit are an error.

TensorBoard: one file for each run and measure, with the columns Wall time, Step, Value; the run's name is in the name
of the file. Weights & Biases: one file for all runs of a chart, the step in its first column, and "NAME - MEASURE";
seconds come from a second export of the same runs, of `_runtime`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastopt.errors import ConfigError, DataError
from fastopt.logs.table import LoggedRun, runs_of

if TYPE_CHECKING:
    import pandas as pd

FIELDS = {
    "optimizer": r"[A-Za-z][A-Za-z_]*",
    "batch_size": r"\d+",
    "learning_rate": r"\d*\.?\d+(?:[eE][-+]?\d+)?",
    "seed": r"\d+",
}
_TENSORBOARD = ["Wall time", "Step", "Value"]


def name_reader(pattern: str) -> re.Pattern[str]:
    """Return what reads names of runs by a pattern such as "bs{batch_size}_lr{learning_rate}_s{seed}".

    Raises ConfigError for a field that is unknown, or twice there, and where batch_size or learning_rate is missing.
    """
    parts = re.split(r"\{(\w*)\}", pattern)
    fields = parts[1::2]
    for field in fields:
        if field not in FIELDS:
            raise ConfigError(f'--names: unknown field "{field}" in {pattern!r}; known: {", ".join(FIELDS)}')
        if fields.count(field) > 1:
            raise ConfigError(f'--names: "{field}" is twice in {pattern!r}: name each once')
    for field in ("batch_size", "learning_rate"):
        if field not in fields:
            raise ConfigError(f"--names: {{{field}}} is missing in {pattern!r}")
    text = "".join(f"(?P<{part}>{FIELDS[part]})" if i % 2 else re.escape(part) for i, part in enumerate(parts))
    return re.compile(f"{text}(?!\\d|\\.\\d)")


def read_tensorboard(paths: Sequence[Path], pattern: str) -> list[LoggedRun]:
    """Return the runs of TensorBoard's CSV files, one for each run; seconds are those of its wall clock.

    The wall clock counts what looking took, too. Raises DataError for a file that is none of these, or whose name the
    pattern does not read.
    """
    import pandas as pd

    reader, parts = name_reader(pattern), []
    for path in paths:
        frame = _read(path)
        if list(frame.columns) != _TENSORBOARD:
            raise DataError(
                f'"{path}" is no CSV file of TensorBoard: it has {", ".join(map(str, frame.columns))}, expected '
                f"{', '.join(_TENSORBOARD)}"
            )
        seconds = frame["Wall time"] - frame["Wall time"].min()
        rows = pd.DataFrame({"step": frame["Step"], "loss": frame["Value"], "seconds": seconds})
        parts.append(rows.assign(**_named(reader, path.stem, str(path))))
    return runs_of(pd.concat(parts, ignore_index=True), "the files of TensorBoard")


def read_wandb(losses: Path, seconds: Path, pattern: str) -> list[LoggedRun]:
    """Return the runs of two CSV files of Weights & Biases, of the loss and of the seconds, both against the step.

    Raises DataError for files that are none of these, or hold different runs or steps.
    """
    import pandas as pd

    reader = name_reader(pattern)
    loss, clock = _series(losses), _series(seconds)
    if lacking := [name for name in loss if name not in clock]:
        raise DataError(f'"{seconds}" has no column for run "{lacking[0]}", which "{losses}" has: export the same runs')
    parts = []
    for name, values in loss.items():
        rows = pd.DataFrame({"loss": values}).join(clock[name].rename("seconds"), how="left").reset_index(names="step")
        if rows["seconds"].isna().any():
            at = rows.loc[rows["seconds"].isna(), "step"].iloc[0]
            raise DataError(f'"{seconds}" has no seconds for step {at} of run "{name}": export the same steps')
        parts.append(rows.assign(**_named(reader, name, str(losses))))
    return runs_of(pd.concat(parts, ignore_index=True), f'export "{losses}"')


def _series(path: Path) -> dict[str, pd.Series]:
    """The values of each run by step; the columns that end in __MIN and __MAX are the same again."""
    frame = _read(path)
    columns = [c for c in frame.columns[1:] if " - " in str(c) and not str(c).endswith(("__MIN", "__MAX"))]
    if not columns:
        raise DataError(f'"{path}" is no export of Weights & Biases: no column is called "RUN - MEASURE"')
    by_step = frame.set_index(frame.columns[0])
    return {str(column).rpartition(" - ")[0]: by_step[column].dropna() for column in columns}


def _named(reader: re.Pattern[str], name: str, where: str) -> dict[str, Any]:
    found = reader.search(name)
    if not found:
        raise DataError(f'--names does not read the run "{name}" of {where}: nothing in it looks like {reader.pattern}')
    fields = found.groupdict()
    try:
        return {
            "optimizer": fields.get("optimizer") or "",
            "batch_size": int(fields["batch_size"]),
            "learning_rate": float(fields["learning_rate"]),
            "seed": int(fields.get("seed") or 0),
        }
    except ValueError as error:
        raise DataError(f'the name of run "{name}" of {where} holds no such numbers: {error}') from error


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except OSError as error:
        raise DataError(f'cannot read "{path}": {error.strerror}') from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f'"{path}" is no CSV file: {" ".join(str(error).split())}') from error
