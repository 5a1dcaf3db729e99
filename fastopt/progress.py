"""Live progress on the terminal: the stage, a bar, time gone and time left; plain lines where there is no terminal."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# Seconds between two lines where there is no terminal.
LINE_EVERY_S = 10.0


class ProgressBar:
    """An observer of `fastopt.study.runner`: one bar for the whole of a study, with the stage beside it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID = self._progress.add_task("", total=None)
        self._total = 0.0

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, work: float) -> None:
        self._total = work
        self._progress.update(self._task, total=work)

    def stage(self, name: str) -> None:
        self._progress.update(self._task, description=name)
        if not self._console.is_terminal:
            self._console.print(name)

    def advance(self, work: float) -> None:
        self._progress.advance(self._task, work)
        if not self._console.is_terminal and time.monotonic() - self._printed >= LINE_EVERY_S:
            self._printed = time.monotonic()
            task = self._progress.tasks[self._task]
            left = "" if task.time_remaining is None else f", {task.time_remaining:.0f} s left"
            self._console.print(f"{task.description} {task.percentage:.0f} %{left}", highlight=False)

    def revise(self, work: float) -> None:
        self._total += work
        self._progress.update(self._task, total=self._total)
