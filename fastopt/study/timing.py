"""The timing pass: seconds per step of every cell, alone on the machine, after all convergence runs have ended.

It follows the one protocol of `fastopt.bench.protocol`, with cells for contenders. One measuring process at a time
times all cells in turn, for three rounds; then a fresh one takes its place. So the data set is in memory twice while
this goes on: here and there.

Whole epochs are timed where they are short, slices of them where they are long (`work.slice_steps`); the shuffling that
begins an epoch is timed beside the slices. In a study with a goal each cell is timed without each phase of its steps,
too: what a phase costs is what steps take longer with it. How often a block was taken again, for processors that came
to share a core, is not recorded.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numba
import numpy as np

from fastopt.bench.contenders.training import TrainingCase
from fastopt.bench.pool import Pool
from fastopt.bench.process import Worker
from fastopt.bench.protocol import Entry, Protocol, qualify, take_round
from fastopt.measurements import OURS, PART, TIMED, Row, Sample
from fastopt.optimizers import make_optimizer
from fastopt.optimizers.spec import with_options
from fastopt.study.config import MODEL_OPTIONS
from fastopt.study.plan import Cell, Study
from fastopt.study.trial import make_run
from fastopt.study.waves import Point
from fastopt.study.work import (
    MIN_BLOCK_S,
    QUALIFYING_BLOCKS,
    ROUND_BLOCKS,
    ROUNDS_PER_PROCESS,
    left_out,
    slice_steps,
)
from fastopt.training.doors import resolve_backend
from fastopt.training.models.menu import option_names

# Seconds for one command to the measuring process; three epochs can be one, and those of large data take long.
TIMEOUT_S = 3600.0
_PROCESS = "timing"


@dataclass
class _Timed:
    """A cell on its way, whole or without a phase; `chunks` and `memory_bytes` are those of its runs."""

    cell: Cell
    entry: Entry
    case: TrainingCase
    chunks: int
    memory_bytes: int


class TimingPass:
    """Times the cells that have a point in `points`, the chosen learning rates with what was tuned beside them.

    tick    is called with a cell and a number of blocks when it has kept the study waiting for as long as these take
    done    the rounds that a cell has already
    """

    def __init__(
        self,
        study: Study,
        points: Mapping[Cell, Point],
        tick: Callable[[Cell, int], None],
        done: Mapping[Cell, int] = MappingProxyType({}),
    ) -> None:
        self._study, self._tick, self._done = study, tick, done
        cells = [cell for cell in study.cells if cell in points and done.get(cell, 0) < study.config.timing_rounds]
        timed = [_timed(study, cell, points[cell], phase) for cell in cells for phase in left_out(study)]
        self._timed = {one.entry.row.name: one for one in timed}
        self._order = _order(study, [one.case for one in timed])
        self._protocol = Protocol(rounds=ROUNDS_PER_PROCESS, min_block_s=MIN_BLOCK_S, timeout_s=TIMEOUT_S)

    @property
    def failures(self) -> list[dict[str, str]]:
        """The cells whose run diverged, or whose process died, by now: optimizer, batch, reason."""
        return [
            {"optimizer": timed.cell.optimizer, "batch": timed.cell.batch, "reason": timed.entry.row.reason}
            for timed in self._timed.values()
            if timed.entry.row.status != TIMED and not timed.case.left_out
        ]

    def rounds(self) -> Generator[list[dict[str, Any]], None, None]:
        """Yield the records of one round after another, by `records.TABLES["timings"]`, from the first that is lacking.

        Every round visits the cells in a random order of its own, with buffers allocated afresh, since memory placement
        is a factor. A cell that failed is left out from then on: a run that diverged would be timed short. Where this
        is interrupted, no process is left behind.
        """
        first = 1 + min((self._done.get(timed.cell, 0) for timed in self._timed.values()), default=0)
        last, per_launch = self._study.config.timing_rounds if self._timed else 0, self._protocol.rounds
        for launch in range(first, last + 1, per_launch):
            with Pool(lambda name, kind, threads: Worker(name, kind, threads, timeout_s=TIMEOUT_S)) as pool:
                if launch == first:
                    self._qualify(pool)
                for number in range(launch, min(launch + per_launch, last + 1)):
                    yield self._round(pool, launch, number)

    def _qualify(self, pool: Pool) -> None:
        for order in self._order:
            qualify(order, pool, self._protocol)
        for timed in self._timed.values():
            qualify(timed.entry, pool, self._protocol)
            self._tick(timed.cell, QUALIFYING_BLOCKS)

    def _round(self, pool: Pool, launch: int, number: int) -> list[dict[str, Any]]:
        for timed in self._timed.values():
            if timed.entry.row.status != TIMED:
                self._tick(timed.cell, ROUND_BLOCKS)
        lacking = [timed for timed in self._timed.values() if self._done.get(timed.cell, 0) < number]
        entries = [*self._order, *(timed.entry for timed in lacking)]
        # an order that the number alone decides: a study that goes on after a break has the same
        take_round(entries, pool, launch, number, random.Random(number), self._protocol, self._block_done)
        orders = [sample.unit_s for order in self._order for sample in order.row.samples if sample.round == number]
        order_s = orders[0] if orders else None
        found = []
        for timed in self._timed.values():
            samples = timed.entry.row.samples
            if samples and samples[-1].round == number:
                found.append(_record(timed, samples[-1], order_s))
        return sorted(found, key=lambda record: record["position"])

    def _block_done(self, entry: Entry) -> None:
        if entry.row.name in self._timed:
            self._tick(self._timed[entry.row.name].cell, ROUND_BLOCKS)


def is_parallel(study: Study, cell: Cell) -> bool:
    """Return whether `cell` is timed on the parallel driver."""
    optimizer = make_optimizer(cell.optimizer)
    return resolve_backend(study.config.backend, study.model, optimizer, cell.batch_size, numba.get_num_threads())


def training_case(study: Study, cell: Cell, point: Point, phase: str = "") -> TrainingCase:
    """Return the work of `cell` at what was chosen for it, without a phase, as it is handed to a measuring process."""
    config = study.config
    given = {name: getattr(config, name) for name in MODEL_OPTIONS}
    if "product" in option_names(config.model):  # left to itself, it depends on the processor
        given["product"] = study.model.settings.get("product", given["product"])
    return TrainingCase(
        dataset=config.dataset,
        data_dir=config.data_dir,
        label_column=config.label,
        task=config.task,
        dtype=config.dtype,
        model=config.model,
        options=tuple((name, value) for name, value in given.items() if value is not None),
        optimizer=with_options(cell.optimizer, dict(point.options)) if point.options else cell.optimizer,
        learning_rate=point.learning_rate,
        batch_size=cell.batch_size,
        schedule=config.schedule,
        total_steps=study.total_steps(cell),
        sampling=config.sampling,
        mean=config.reduction == "mean",
        parallel=is_parallel(study, cell),
        n_rows=int(study.dataset.train.size),
        n_params=study.model.n_params,
        slice_steps=slice_steps(study, cell),
        left_out=phase,
        threads=numba.get_num_threads(),
    )


def _timed(study: Study, cell: Cell, point: Point, phase: str) -> _Timed:
    stop = np.zeros(1, dtype=np.int64)
    run = make_run(study, cell, point.learning_rate, 0, stop, parallel=False)  # as large as a parallel one
    case = training_case(study, cell, point, phase)
    name = f"{cell.optimizer} {cell.batch}" + (f" without {phase}" if phase else "")
    return _Timed(cell, Entry(Row(name, "fastopt", OURS), case, _PROCESS), case, run.chunks, run.memory_bytes)


def _order(study: Study, cases: Sequence[TrainingCase]) -> list[Entry]:
    """The shuffling of an epoch, to be timed beside slices, which hold none: of an order that is drawn at once."""
    sliced = [case for case in cases if case.slice_steps]
    if not sliced or study.config.sampling != "fisher_yates":
        return []
    return [Entry(Row("order", "fastopt", PART), dataclasses.replace(sliced[0], order_alone=True), _PROCESS)]


def _record(timed: _Timed, sample: Sample, order_s: float | None) -> dict[str, Any]:
    case = timed.case
    steps = sample.repeats * case.steps_per_unit
    return {
        "optimizer": timed.cell.optimizer,
        "batch": timed.cell.batch,
        "batch_size": timed.cell.batch_size,
        "left_out": case.left_out,
        "launch": sample.launch,
        "round": sample.round,
        "position": sample.position,
        "backend": "parallel" if case.parallel else "serial",
        "threads": case.threads if case.parallel else 1,
        "chunks": timed.chunks,
        "epochs": steps / case.steps_per_epoch,
        "steps": steps,
        "time_s": sample.unit_s * sample.repeats,
        "memory_bytes": timed.memory_bytes,
        "warm": int(bool(sample.warm)),
        "switches": sample.switches,
        "others_s": sample.others_s,
        "steal_s": sample.steal_s,
        "load": sample.load,
        "crowding": sample.crowding,
        "order_s": order_s if case.slice_steps and case.left_out != "order" else None,
    }
