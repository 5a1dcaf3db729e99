"""The format of a log: a CSV file with a header, one line for each look at a run, runs one after another or mixed.

    column          what it holds                                                     needed
    batch_size      rows of a step, whole                                             yes
    learning_rate   at the start of the run                                           yes
    seed            whole; runs of one seed are compared in pairs                     yes
    step            updates done when the run was looked at, ascending in each run    yes
    loss            any measure of which less is better                               yes
    seconds         of training since the run began, looks left out                   yes
    optimizer       a name; "" where there is none                                    no

A run is what has one optimizer, batch size, learning rate and seed. Other columns are left alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from fastopt.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

WHOLE, POSITIVE = ("batch_size", "seed", "step"), ("batch_size", "learning_rate")
NEEDED = ("batch_size", "learning_rate", "seed", "step", "loss", "seconds")
KEY = ("optimizer", "batch_size", "learning_rate", "seed")

Floats = npt.NDArray[np.float64]


class LoggedRun(NamedTuple):
    """One run: looks at it after `steps` (m,), ascending, with its `losses` and training `seconds` then, float64."""

    optimizer: str
    batch_size: int
    learning_rate: float
    seed: int
    steps: Floats
    losses: Floats
    seconds: Floats


def read(path: Path) -> list[LoggedRun]:
    """Return the runs of a log, in the order in which they first come.

    Raises DataError, with the line, for a file that cannot be read, columns that are missing, values that are no
    numbers or out of range, and steps or seconds that do not ascend within a run. A loss may be nan or infinite: the
    run diverged.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(path, skipinitialspace=True, keep_default_na=True)
    except OSError as error:
        raise DataError(f'cannot read log "{path}": {error.strerror}; name a CSV file') from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f'log "{path}" is no CSV file: {" ".join(str(error).split())}') from error
    return runs_of(frame, f'log "{path}"')


def runs_of(frame: pd.DataFrame, what: str) -> list[LoggedRun]:
    """Return the runs of a table with the columns of a log; `what` names it in errors."""
    import pandas as pd

    missing = [name for name in NEEDED if name not in frame.columns]
    if missing:
        there = ", ".join(map(str, frame.columns))
        raise DataError(f"{what} lacks the column {', '.join(missing)}: it has {there}; needed are {', '.join(NEEDED)}")
    if frame.empty:
        raise DataError(f"{what} holds no line: one for each look at a run is needed")
    frame = frame.copy()
    names = frame["optimizer"] if "optimizer" in frame.columns else pd.Series("", index=frame.index)
    frame["optimizer"] = names.astype(object).where(names.notna(), "").astype(str)
    for name in NEEDED:
        frame[name] = _numbers(frame[name], name, what)
    return [_run(rows, what) for _, rows in frame.groupby(list(KEY), sort=False)]


def _numbers(column: pd.Series, name: str, what: str) -> pd.Series:
    import pandas as pd

    found = pd.to_numeric(column, errors="coerce").astype(np.float64)
    odd, expected = _odd(column, found, name)
    if odd.any():
        first = int(np.flatnonzero(odd)[0])
        raise DataError(f"{what}, line {first + 2}: {name} is {expected}, got {column.iloc[first]!r}")
    return found


def _odd(column: pd.Series, found: pd.Series, name: str) -> tuple[npt.NDArray[np.bool_], str]:
    """Which values cannot be those of a column, and what is expected instead."""
    values = found.to_numpy()
    if name == "loss":
        lost = column.isna() | column.astype(str).str.strip().str.lower().isin(["nan", "-nan", "+nan"])
        return np.isnan(values) & ~lost.to_numpy(), "a number"
    odd, expected = ~np.isfinite(values), "a number"
    if name in WHOLE:
        odd, expected = odd | (values != np.round(values)), "a whole number"
    if name in POSITIVE:
        return odd | ~(values > 0), f"{expected} above 0"
    return odd | ~(values >= 0), f"{expected} of 0 or more"


def _run(rows: pd.DataFrame, what: str) -> LoggedRun:
    optimizer, batch_size, learning_rate, seed = (rows[name].iloc[0] for name in KEY)
    for name, again in (("step", "steps"), ("seconds", "seconds")):
        values = rows[name].to_numpy()
        back = np.flatnonzero(np.diff(values) <= 0 if name == "step" else np.diff(values) < 0)
        if back.size:
            at = int(back[0])
            line = int(rows.index[at + 1]) + 2
            run = f"batch size {batch_size:.0f}, learning rate {learning_rate:g}, seed {seed:.0f}"
            order = f"got {values[at + 1]:g} after {values[at]:g}"
            raise DataError(
                f"{what}, line {line}: the {again} of a run ascend, {order} ({run}); sort them, or give another run "
                "another seed"
            )
    columns = (rows[name].to_numpy(dtype=np.float64) for name in ("step", "loss", "seconds"))
    return LoggedRun(str(optimizer), int(batch_size), float(learning_rate), int(seed), *columns)
