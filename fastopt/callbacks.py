"""Logs of anyone's own training, for `fastopt analyse`: one line for each look at a run, in one CSV file for all runs.

    with CsvLogger("runs.csv", batch_size=64, learning_rate=1e-3, seed=0, optimizer="adam") as log:
        for x, y in batches:
            train_on(x, y)
            log.step()
            if log.due():                      # 19 % more steps than at the last look
                with log.looking():            # the clock of training stands still
                    loss = evaluate()
                log.look(loss=loss)

Keras: `model.fit(..., callbacks=[log.keras()])`.

The file has the columns `COLUMNS`: loss is what a goal is set on, any measure of which less is better, seconds those of
training since the run began, without the looks.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from fastopt.errors import ConfigError, StoreError

__all__ = ["COLUMNS", "CsvLogger"]

COLUMNS = ("optimizer", "batch_size", "learning_rate", "seed", "step", "loss", "seconds")
# From one look to the next the steps grow by this factor: looks cost a share of the training that does not grow.
LOOKS = 2.0**0.25


class CsvLogger:
    """Appends the looks at one run to a CSV file, which other runs may share; a context manager.

    path           of the file; made with its header if it is not there
    batch_size     rows of a step, whole and positive
    learning_rate  positive
    seed           a whole number: runs that share it are compared in pairs
    optimizer      any name
    clock          gives seconds; for tests

    Raises ConfigError for other values, StoreError for a file that cannot be written, or has other columns.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        batch_size: int,
        learning_rate: float,
        seed: int,
        optimizer: str = "",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        _check(batch_size, learning_rate, seed)
        self._path, self._clock = Path(path), clock
        self._fixed = {"optimizer": optimizer, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
        self._steps, self._next, self._looked_s = 0, 1.0, 0.0
        self._ended: float | None = None  # when Keras's last fit did, as long as no other has begun
        self._prepare()
        self._start = clock()

    def step(self, steps: int = 1) -> None:
        """Count so many steps more."""
        self._steps += steps

    def due(self) -> bool:
        """Return whether it is time for a look: after 1, 2, ..., 6 steps, then each 19 % more."""
        return self._steps >= self._next

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """Stop the clock of training while inside."""
        begun = self._clock()
        try:
            yield
        finally:
            self._looked_s += self._clock() - begun

    def look(self, loss: float) -> None:
        """Write a line: the loss after the steps that were counted; raises StoreError if it cannot be written."""
        seconds = self._clock() - self._start - self._looked_s
        self._append({**self._fixed, "step": self._steps, "loss": float(loss), "seconds": seconds})
        self._next = max(self._steps + 1.0, self._steps * LOOKS)

    def keras(self, monitor: str = "val_loss") -> Any:
        """Return a Keras callback that looks at `monitor` at the end of each epoch; steps are as the optimizer counts.

        The evaluation of `fit` at the end of an epoch is off the clock, and so is the time between one `fit` and a
        further one, which goes on with the same run. Raises ConfigError at the first epoch for a
        measure that `fit` does not report: "loss" is always there, "val_loss" with validation data.
        """
        import keras

        log = self

        class Looks(keras.callbacks.Callback):  # type: ignore[misc]
            def on_train_begin(self, logs: Any = None) -> None:
                now = log._clock()
                if log._ended is None:
                    log._start, log._looked_s = now, 0.0
                else:
                    log._looked_s += now - log._ended
                log._ended = None
                self.counted = int(self.model.optimizer.iterations)

            def on_train_end(self, logs: Any = None) -> None:
                log._ended = log._clock()

            def on_test_begin(self, logs: Any = None) -> None:
                self._begun = log._clock()

            def on_test_end(self, logs: Any = None) -> None:
                if log._ended is None:  # within a fit; what is between two of them is left out as a whole
                    log._looked_s += log._clock() - self._begun

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                if monitor not in (logs or {}):
                    raise ConfigError(f'Keras reports no "{monitor}": it has {", ".join(logs or {}) or "nothing"}')
                before, self.counted = self.counted, int(self.model.optimizer.iterations)
                log.step(self.counted - before)
                log.look(loss=logs[monitor])

        return Looks()

    def __enter__(self) -> CsvLogger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left open: each line was written whole when it came."""

    def _prepare(self) -> None:
        try:
            with self._path.open("a+", encoding="utf-8", newline="") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # of runs that begin together one writes the header
                file.seek(0)
                header = next(csv.reader(file), None)
                if header is None:
                    csv.writer(file).writerow(COLUMNS)
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"cannot write to {self._path}: {error}") from error
        if header is not None and tuple(header) != COLUMNS:
            wanted = ", ".join(COLUMNS)
            raise StoreError(f"{self._path} has the columns {', '.join(header)}, not {wanted}: name another file")

    def _append(self, row: dict[str, Any]) -> None:
        try:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, COLUMNS).writerow(row)
        except OSError as error:
            raise StoreError(f"cannot write to {self._path}: {error}") from error


def _check(batch_size: object, learning_rate: object, seed: object) -> None:
    for name, value, least in (("batch_size", batch_size, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")
    number = isinstance(learning_rate, int | float) and not isinstance(learning_rate, bool)
    if not number or not 0.0 < float(str(learning_rate)) < math.inf:
        raise ConfigError(f"learning_rate must be a positive number, got {learning_rate!r}")
