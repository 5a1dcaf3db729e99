"""The records of a study: one SQLite file in the output folder, written by `fastopt.study`, read by `fastopt.report`.

Schema version 4. Times are in seconds, losses are means per row, accuracies are fractions of 1.

| table   | one row is | key |
|---------|------------|-----|
| meta    | a fact about the whole study, as JSON text: `schema_version`, `created`, `command`, `config`, `environment`, `dataset`, `compile_time_s`, `untimed`, `status` ("running", "finished", "budget" (spent), "interrupted") | key |
| runs    | one training run, however it ended | run_id |
| curves  | one evaluation of a run | run_id, point |
| timings | one timed block of steps, in a measuring process of its own, alone on the machine | optimizer, batch, round, left_out |

`runs.phase` is "search" (a trial of the learning rate), "confirm" (one of the best rates again, on a fresh seed), "final" (the
chosen rate, on another fresh seed) or "transfer" (on the same seeds, a rate that a rule carried over from the middle batch size). A search trial beyond `config.learning_rate_ranges` belongs to an extension of that search.
`runs.status` is "finished", "reached" (the goal), "diverged", "interrupted" or "failed", with the reason in words. `runs.seconds` and `curves.seconds`
count the training clock *while other runs shared the machine*: they are for information. Time per step comes from `timings`.
Test-set results are there for final runs only: the test set takes part in no choice.

`config` holds the settings of the study by the names of its study.toml, what was left to a default filled in (`hidden`, `activation`,
`init`, `l2` and `loss` are null where the model has no such thing; `model_settings` is all that it says of itself), and
`budget` (the one bound that was given, e.g. {"epochs": 20}), `seeds` (those of the final runs), `search_seed`, `confirm_seeds`,
`confirm_rates` (best rates that are run again, at most), `extensions` and `extension_trials` (how often a search may go on beyond its
edge, and by how many trials), `workers` (runs that trained side by side), `plugins` (name and SHA-256 of each file), `n_params`,
and where a goal was set `goal` ({"metric", "value", "in_a_row"}), `study_budget_s`, `cutoff` (a run is given up after so many times
the fewest steps to the goal that its optimizer and batch size are known to take) and `waves` (of the search, coarse to fine).

`compile_time_s` is what the runs needed; measuring processes compile for themselves, before they time. `untimed` is a list of the
cells that have a rate and could not be timed: {"optimizer", "batch", "reason"}.

Older versions are still read. Version 1 has no `confirm`, no `timings.memory_bytes`, and `epochs` for `budget`; version 2 has no
`untimed`, and timed inside its own process: no `timings.launch` and what comes after it; version 3 has no goals, and whole epochs in every timed block. What a version lacks
is missing when read.
"""  # noqa: E501

from __future__ import annotations

import gc
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastopt.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 4
FILE_NAME = "records.sqlite"
# The phases of a step, each of which a timed block may leave out.
STEP_PHASES = ("order", "model", "update")

# One place for every column: the tables are created from this, and rows are checked against it.
TABLES: dict[str, dict[str, str]] = {
    "meta": {"key": "TEXT PRIMARY KEY", "value": "TEXT NOT NULL"},
    "runs": {
        "run_id": "TEXT PRIMARY KEY",
        "phase": "TEXT NOT NULL",
        "optimizer": "TEXT NOT NULL",  # as the user wrote it, e.g. adam
        "batch": "TEXT NOT NULL",  # as the user wrote it, e.g. 32 or full
        "batch_size": "INTEGER NOT NULL",  # rows
        "learning_rate": "REAL NOT NULL",
        "seed": "INTEGER NOT NULL",
        "status": "TEXT NOT NULL",
        "reason": "TEXT NOT NULL",
        "epochs": "REAL",
        "steps": "INTEGER",
        "samples": "INTEGER",
        "seconds": "REAL",
        "train_loss": "REAL",  # at the last evaluation; likewise the next two
        "validation_loss": "REAL",
        "validation_accuracy": "REAL",
        "best_validation_loss": "REAL",  # lowest over all evaluations
        "test_loss": "REAL",
        "test_accuracy": "REAL",
        "cutoff": "INTEGER",  # steps after which a run towards a goal is given up; missing: none but its length
        "hit_after": "REAL",  # the goal was met after so many steps,
        "hit_by": "REAL",  # and by so many: missing where it was missed; both where no goal was set
        "goal_best": "REAL",  # the best value of the goal's metric over all evaluations
        "options": "TEXT",  # hyperparameters that were tuned or carried over beside the rate, as JSON; missing: none
        "rule": "TEXT",  # that carried the rate over from another batch size, of runs of phase "transfer"
    },
    "curves": {
        "run_id": "TEXT NOT NULL",
        "point": "INTEGER NOT NULL",  # 0 is before the first step
        "epoch": "REAL",
        "step": "INTEGER",
        "samples": "INTEGER",
        "seconds": "REAL",
        "train_loss": "REAL",
        "validation_loss": "REAL",
        "validation_accuracy": "REAL",
        "learning_rate": "REAL",
        "gradient_norm": "REAL",
        # Squared norms of the last batch's mean gradient and of its chunks', and how many rows these have; only where a
        # goal is set. See `fastopt.training.history.Squares`.
        "small": "REAL",
        "big": "REAL",
        "small_square": "REAL",
        "big_square": "REAL",
    },
    "timings": {
        "optimizer": "TEXT NOT NULL",
        "batch": "TEXT NOT NULL",
        "batch_size": "INTEGER NOT NULL",
        "round": "INTEGER NOT NULL",
        "position": "INTEGER NOT NULL",  # place in the random order of its round
        "backend": "TEXT NOT NULL",
        "threads": "INTEGER NOT NULL",
        "chunks": "INTEGER NOT NULL",  # pieces that each batch is split into
        "epochs": "REAL NOT NULL",  # a fraction where a block was less than one: see `fastopt.study.timing`
        "steps": "INTEGER NOT NULL",
        "time_s": "REAL NOT NULL",  # of all these steps together
        "memory_bytes": "INTEGER",  # of the run's own arrays, without the data set
        "launch": "INTEGER",  # the first round of the measuring process: blocks of one number were timed in one process
        "warm": "INTEGER",  # 1 if two warm-up windows in a row agreed before the block, else 0
        "switches": "INTEGER",  # how often the process was put off a processor during the block
        "others_s": "REAL",  # processor seconds that went to anything else meanwhile; missing where not readable
        "steal_s": "REAL",  # the same that the hypervisor took away
        "load": "REAL",  # of the machine, over the last minute
        "crowding": "REAL",  # how many times as long all processors at once took for the same arithmetic as one
        "left_out": "TEXT NOT NULL",  # the one of STEP_PHASES that every step did without, or ""
        "order_s": "REAL",  # seconds to shuffle an epoch, where the block holds no shuffling; else missing
    },
}
# Columns that older stores lack, and the version that brought them: missing values when such a store is read.
_ADDED = {
    "runs": dict.fromkeys(("cutoff", "hit_after", "hit_by", "goal_best", "options", "rule"), 4),
    "curves": dict.fromkeys(("small", "big", "small_square", "big_square"), 4),
    "timings": {"memory_bytes": 2}
    | dict.fromkeys(("launch", "warm", "switches", "others_s", "steal_s", "load"), 3)
    | dict.fromkeys(("crowding", "left_out", "order_s"), 4),
}
# What a missing column held before it was there, where that is known.
_BEFORE = {"left_out": "''"}
# Rows of one INSERT: SQLite takes 999 values at least.
_ROWS_AT_ONCE = 40
_KEYS = {"curves": "run_id, point", "timings": "optimizer, batch, round, left_out"}


class Writer:
    """Appends records to the store of one folder, each in a transaction of its own; used by one thread.

    A record is stored when its method returns: kill -9 loses at most what had not been handed over. (A machine that
    loses power may lose the last ones, never the store: to wait for the disk after each would hold up short runs.)
    Raises StoreError when a record cannot be stored (the disk is full), or does not fit its table.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        try:
            self._connection = sqlite3.connect(self._path)
        except sqlite3.Error as error:
            raise self._refusal(error) from error
        try:
            with self._transaction():
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute("PRAGMA synchronous=NORMAL")
                for table, columns in TABLES.items():
                    fields = ", ".join(f"{name} {kind}" for name, kind in columns.items())
                    key = f", PRIMARY KEY ({_KEYS[table]})" if table in _KEYS else ""
                    self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({fields}{key})")
            self._check_version()
            self.meta(schema_version=SCHEMA_VERSION)
        except StoreError:
            self.close()
            raise

    def meta(self, **facts: Any) -> None:
        """Store facts about the whole study; a fact of the same name is replaced."""
        with self._transaction():
            for key, value in facts.items():
                self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def run(self, run: Mapping[str, Any], curve: Iterable[Mapping[str, Any]]) -> None:
        """Store one run and its evaluations, all or nothing."""
        with self._transaction():
            self._insert("runs", [run])
            self._insert("curves", ({"run_id": run["run_id"], **point} for point in curve))

    def timing(self, *timings: Mapping[str, Any]) -> None:
        """Store timed blocks, all or nothing."""
        with self._transaction():
            self._insert("timings", timings)

    def close(self) -> None:
        """Close the store; what is left is one plain file, which can be read where nothing can be written too."""
        with suppress(sqlite3.Error):  # somebody reads it just now: it stays as it is
            self._connection.execute("PRAGMA busy_timeout=0")
            self._connection.execute("PRAGMA journal_mode=DELETE")
        self._connection.close()

    def _check_version(self) -> None:
        """Raise StoreError for a store that another schema than this one's was written with."""
        with self._transaction():
            found = self._connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        if found is not None and found[0] != json.dumps(SCHEMA_VERSION):
            raise StoreError(
                f"{self._path} has schema {found[0]}, this fastopt writes {SCHEMA_VERSION}: begin another study"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of the block or nothing of it."""
        try:
            with self._connection:
                yield
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    def _refusal(self, error: sqlite3.Error) -> StoreError:
        return StoreError(
            f"cannot write records to {self._path}: {error}; make room, or choose another folder with --out"
        )

    def _insert(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows, many in one statement: each statement is a wait for the GIL while runs train."""
        columns, rows = TABLES[table], list(rows)
        if unknown := {name for row in rows for name in row} - columns.keys():
            raise StoreError(f"table {table} has no column {', '.join(sorted(unknown))}")
        marks, names = f"({', '.join('?' * len(columns))})", ", ".join(columns)
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[first : first + _ROWS_AT_ONCE]
            values = [row.get(name) for row in part for name in columns]
            self._connection.execute(f"INSERT INTO {table} ({names}) VALUES {', '.join([marks] * len(part))}", values)


@dataclass(frozen=True)
class Records:
    """All that a study has recorded so far: `meta` as a dict, the three tables as pandas frames."""

    folder: Path
    meta: dict[str, Any]
    runs: pd.DataFrame
    curves: pd.DataFrame
    timings: pd.DataFrame


def read(folder: str | Path) -> Records:
    """Read the store in `folder`.

    Raises StoreError when there is none, when it is damaged, or when a newer fastopt wrote it.
    """
    import pandas as pd

    folder = Path(folder)
    path = folder / FILE_NAME
    if not path.is_file():
        raise StoreError(
            f"no records in {folder}: expected the file {FILE_NAME}; name the --out folder of a comparison"
        )
    try:
        connection = sqlite3.connect(path)
        try:
            with _no_collection():
                return Records(folder, *_tables(connection, path))
        finally:
            connection.close()
    except (sqlite3.Error, pd.errors.DatabaseError, TypeError, ValueError) as error:  # JSONDecodeError is a ValueError
        raise StoreError(f"{path} is not a readable record store: {error}") from error


def _tables(
    connection: sqlite3.Connection, path: Path
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return meta and the three tables as they were at one moment, though a study may be writing."""
    import pandas as pd

    connection.execute("BEGIN")
    meta = {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM meta")}
    if meta.get("schema_version", 0) > SCHEMA_VERSION:
        found = meta["schema_version"]
        raise StoreError(f"{path} has schema {found}, this fastopt reads up to {SCHEMA_VERSION}: upgrade fastopt")
    frames = {}
    for table, order in {"runs": "rowid", **_KEYS}.items():
        added = _ADDED.get(table, {})
        missing = [name for name in added if meta.get("schema_version", 0) < added[name]]
        nothing = {name: f"{_BEFORE.get(name, 'NULL')} AS {name}" for name in missing}
        fields = ", ".join(nothing.get(name, name) for name in TABLES[table])
        frame = pd.read_sql_query(f"SELECT {fields} FROM {table} ORDER BY {order}", connection)
        # a column with nothing in it would come as objects
        bare = [name for name, kind in TABLES[table].items() if kind == "INTEGER" and frame[name].isna().all()]
        real = [name for name, kind in TABLES[table].items() if kind == "REAL"]
        frames[table] = frame.astype(dict.fromkeys([*real, *bare], float))
    return meta, frames["runs"], frames["curves"], frames["timings"]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let the garbage collector rest: it would look through a million new rows again and again, and find nothing."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
