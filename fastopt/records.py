"""The records of a study: one SQLite file in the output folder, written by `fastopt.study`, read by `fastopt.report`.

Schema version 1. Times are in seconds, losses are means per row, accuracies are fractions of 1.

| table   | one row is | key |
|---------|------------|-----|
| meta    | a fact about the whole study, as JSON text: `schema_version`, `created`, `command`, `config`, `environment`, `dataset`, `compile_time_s`, `status` ("running", "finished", "interrupted") | key |
| runs    | one training run, however it ended | run_id |
| curves  | one evaluation of a run | run_id, point |
| timings | one timed block of epochs, alone on the machine | optimizer, batch, round |

`runs.phase` is "search" (a trial of the learning-rate search) or "final" (the chosen rate on a fresh seed).
`runs.status` is "finished", "diverged", "interrupted" or "failed", with the reason in words. `runs.seconds` and `curves.seconds`
count the training clock *while other runs shared the machine*: they are for information. Time per step comes from `timings`.
Test-set results are there for final runs only: the test set takes part in no choice.
"""  # noqa: E501

from __future__ import annotations

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

SCHEMA_VERSION = 1
FILE_NAME = "records.sqlite"

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
        "epochs": "INTEGER NOT NULL",
        "steps": "INTEGER NOT NULL",
        "time_s": "REAL NOT NULL",  # of all these epochs together
    },
}
_KEYS = {"curves": "run_id, point", "timings": "optimizer, batch, round"}


class Writer:
    """Appends records to the store of one folder, each in a transaction of its own; used by one thread.

    A record is on disk when its method returns: kill -9 loses at most what had not been handed over. Raises StoreError
    when a record cannot be stored (the disk is full), or does not fit its table.
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
                for table, columns in TABLES.items():
                    fields = ", ".join(f"{name} {kind}" for name, kind in columns.items())
                    key = f", PRIMARY KEY ({_KEYS[table]})" if table in _KEYS else ""
                    self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({fields}{key})")
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
            self._insert("runs", run)
            for point in curve:
                self._insert("curves", {"run_id": run["run_id"], **point})

    def timing(self, timing: Mapping[str, Any]) -> None:
        """Store one timed block."""
        with self._transaction():
            self._insert("timings", timing)

    def close(self) -> None:
        """Close the store; what is left is one plain file, which can be read where nothing can be written too."""
        with suppress(sqlite3.Error):  # somebody reads it just now: it stays as it is
            self._connection.execute("PRAGMA busy_timeout=0")
            self._connection.execute("PRAGMA journal_mode=DELETE")
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of the block or nothing of it."""
        try:
            with self._connection:
                yield
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    def _refusal(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"cannot write records to {self._path}: {error}; choose another folder with --out")

    def _insert(self, table: str, row: Mapping[str, Any]) -> None:
        if unknown := row.keys() - TABLES[table].keys():
            raise StoreError(f"table {table} has no column {', '.join(sorted(unknown))}")
        names = [name for name in TABLES[table] if name in row]
        marks = ", ".join("?" * len(names))
        statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
        self._connection.execute(statement, [row[name] for name in names])


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
            connection.execute("BEGIN")  # one moment for all tables, though a study may be writing
            meta = {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM meta")}
            if meta.get("schema_version", 0) > SCHEMA_VERSION:
                found = meta["schema_version"]
                raise StoreError(
                    f"{path} has schema {found}, this fastopt reads up to {SCHEMA_VERSION}: upgrade fastopt"
                )
            frames = {
                table: pd.read_sql_query(f"SELECT {', '.join(TABLES[table])} FROM {table} ORDER BY {order}", connection)
                for table, order in {"runs": "rowid", **_KEYS}.items()
            }
            for table, frame in frames.items():  # a column with nothing in it would come as objects
                frames[table] = frame.astype({name: float for name, kind in TABLES[table].items() if kind == "REAL"})
        finally:
            connection.close()
    except (sqlite3.Error, pd.errors.DatabaseError, TypeError, ValueError) as error:  # JSONDecodeError is a ValueError
        raise StoreError(f"{path} is not a readable record store: {error}") from error
    return Records(folder, meta, frames["runs"], frames["curves"], frames["timings"])
