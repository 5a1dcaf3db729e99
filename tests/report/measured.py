"""A made-up measurement with known answers; deterministic, for tests only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastopt.measurements import Comparison, Measurement, Row, Sample

STATES = {"sgd": 0, "momentum": 1, "rmsprop": 1, "adam": 2}
# Seconds per step: a call, and bytes over a rate; how many threads help. Name: (call_s, bytes_per_s, threads_help)
UPDATE = {
    "fastopt serial": (1e-6, 30e9, False),
    "fastopt parallel": (4e-6, 30e9, True),
    "numpy": (8e-6, 6e9, False),
    "torch foreach": (25e-6, 9e9, True),
    "torch fused": (12e-6, 28e9, True),
    "torch fused direct": (2.2e-6, 29e9, True),
    "optax": (9e-6, 26e9, True),
    "ceiling": (0.4e-6, 33e9, True),
}
EPOCH = {"fastopt": 1.0, "fastopt without update": 0.9, "fastopt without model": 0.2, "fastopt without order": 0.995,
         "torch eager": 4.0, "jax scan": 1.6, "numpy": 2.5}  # fmt: skip
ROLES = {"ceiling": "ceiling"}
UNAVAILABLE = "deepspeed not installed: pip install deepspeed ninja"
WRONG = "wrong answer: off by 0.31 of the way after 10 steps of adam float32 1e+03 elements, 0.0001 is allowed"
CACHES = {"L1": "48K", "L2": "1024K", "L3": "32768K"}


def role(name: str) -> str:
    if " without " in name:
        return "part"
    return ROLES.get(name, "ours" if name.startswith("fastopt") else "peer")


def update_measurement(
    optimizers: Sequence[str] = ("momentum", "adam"),
    sizes: Sequence[int] = (1_000, 30_000, 1_000_000, 10_000_000),
    threads: Sequence[int] = (1, 2),
    launches: int = 6,
    rounds: int = 3,
    noise: float = 0.01,  # standard deviation of log times, within and between launches
    factors: dict[str, float] | None = None,  # contender: its time, relative
    tensors: int = 300,
    cold: bool = True,
    twin: bool = True,
    lost: bool = True,  # whether deepspeed is missing and keras wrong
    disturbed: float = 0.0,  # share of the blocks in which others take half of the processor time
    baseline: str | None = None,
    **meta: Any,
) -> Measurement:
    """Return update steps whose truth is: a call, and the bytes over a rate, which is a third beyond the caches."""
    rng = np.random.default_rng(5)
    comparisons = []
    for optimizer in optimizers:
        for n_threads in threads:
            shapes = [(n, 1) for n in sizes] + ([(1_000 * tensors, tensors)] if tensors else [])
            for n, n_tensors in shapes:
                moved = 4 * n * (3 + 2 * STATES[optimizer])
                case = {"kind": "update", "optimizer": optimizer, "n": n, "dtype": "float32", "n_gradients": 1,
                        "n_tensors": n_tensors, "threads": n_threads, "seed": 0}  # fmt: skip
                times = {name: true_step_s(name, moved, n_threads) for name in UPDATE}
                if n_tensors > 1:
                    times = {"fastopt list": 3 * times["fastopt serial"], "fastopt flat": times["fastopt serial"],
                             "torch foreach": 20 * times["torch foreach"], "optax": 5 * times["optax"]}  # fmt: skip
                times = {name: time_s * (factors or {}).get(name, 1.0) for name, time_s in times.items()}
                ours = "fastopt flat" if n_tensors > 1 else "fastopt serial"
                ours = "fastopt parallel" if n_tensors == 1 and n_threads > 1 and n >= 100_000 else ours
                rows = _rows(rng, times, baseline if baseline in times else ours, launches, rounds, noise, n_threads,
                             cold=cold, twin=twin, disturbed=disturbed)  # fmt: skip
                if lost:
                    rows.insert(-1, Row("deepspeed", "deepspeed", "peer", "unavailable", UNAVAILABLE))
                    rows.insert(-1, Row("keras", "keras", "peer", "failed", WRONG, [0.31]))
                of = f" in {n_tensors} tensors" if n_tensors > 1 else ""
                label = f"{optimizer} float32 {n:.0e} elements{of}"
                base = baseline if baseline in times else ours
                comparisons.append(Comparison(case, label, "step", 1, moved, base, rows, "launches"))
    return Measurement(_meta("update", launches, rounds, cold=cold) | meta, comparisons)


def epoch_measurement(
    optimizers: Sequence[str] = ("adam",),
    batches: Sequence[int] = (1, 32, 512),
    threads: Sequence[int] = (2,),
    launches: int = 6,
    rounds: int = 2,
    noise: float = 0.01,
    parts: bool = True,  # whether the epoch without its phases was timed
    **meta: Any,
) -> Measurement:
    """Return epochs of 6 400 rows whose truth is 2 us a step and 0.5 us a row, times the factors of EPOCH."""
    rng = np.random.default_rng(6)
    comparisons = []
    for optimizer in optimizers:
        for n_threads in threads:
            for batch in batches:
                n_rows, steps = 6_400, -(-6_400 // batch)
                case = {"kind": "epoch", "optimizer": optimizer, "batch_size": batch, "n_rows": n_rows, "model": "mlp",
                        "hidden": [128], "data": "random", "n_features": 784, "n_classes": 10, "n_distinct": 0,
                        "threads": n_threads, "seed": 0}  # fmt: skip
                times = {name: (2e-6 * steps + 5e-7 * n_rows) * factor for name, factor in EPOCH.items()}
                if not parts:
                    times = {name: time_s for name, time_s in times.items() if " without " not in name}
                rows = _rows(rng, times, "fastopt", launches, rounds, noise, n_threads)
                label = f"{optimizer} mlp 784-128-10 batch {batch}"
                comparisons.append(Comparison(case, label, "epoch", steps, 101_770 * 28, "fastopt", rows, "launches"))
    return Measurement(_meta("epoch", launches, rounds, cold=False) | meta, comparisons)


def odd_measurement() -> Measurement:
    """Return what a measurement can come to: every status, nothing timed, no twin, one round, numbers that are none."""
    found = update_measurement(optimizers=("adam",), sizes=(1_000, 100_000, 10_000_000), threads=(2,), launches=1,
                               rounds=1, status="interrupted", ceilings=None)  # fmt: skip
    first, second, third, tensors = found.comparisons
    first.rows = [row for row in first.rows if row.role != "twin"]
    for row in second.rows:
        row.status, row.reason, row.samples = "skipped", "not measured yet", []
    base = third.row(third.baseline)
    base.status, base.reason = "failed", "killed by SIGSEGV <core dumped> | after 3 blocks"
    third.row("numpy").samples = []
    third.row("optax").errors = [math.nan]
    third.row("optax").prepare_s = math.nan
    tensors.stopped = ""
    return found


def stored(measurement: Measurement, folder: Path) -> Path:
    """Write the measurement into `folder`, and return that."""
    folder.mkdir(parents=True, exist_ok=True)
    measurement.write(folder)
    return folder


def true_step_s(name: str, moved: int, threads: int) -> float:
    """The truth of `update_measurement`: seconds of a step that moves so many bytes."""
    call_s, rate, helps = UPDATE[name]
    gain = min(threads, 2) ** 0.8 if helps else 1.0
    slower = 1.0 if moved < 30e6 else 3.0
    return call_s * (1 + 0.5 * (threads > 1 and helps)) + slower * moved / rate / gain


def _rows(
    rng: np.random.Generator, times: dict[str, float], baseline: str, launches: int, rounds: int, noise: float,
    threads: int, *, cold: bool = False, twin: bool = True, disturbed: float = 0.0,
) -> list[Row]:  # fmt: skip
    names = {name: name for name in times} | ({f"{baseline}, again": baseline} if twin else {})
    rows = [
        Row(name, menu, "twin" if name != menu else role(menu), errors=[3e-7], prepare_s=0.02, first_unit_s=9e-4)
        for name, menu in names.items()
    ]
    for launch in range(launches):
        where = rng.normal(0.0, noise, len(rows))
        for number in range(rounds):
            shared = rng.normal(0.0, noise)
            order = rng.permutation(len(rows))
            for index, row in enumerate(rows):
                unit_s = times[row.contender] * math.exp(where[index] + shared + rng.normal(0.0, noise))
                row.repeats = max(1, round(0.05 / unit_s))
                block_s = unit_s * row.repeats * threads
                others_s = block_s * 0.5 if rng.random() < disturbed else 0.0
                seen = {"switches": int(rng.integers(3)), "others_s": others_s, "steal_s": 0.0, "mhz": 2600.0 + launch}
                place = launch, number, int(order[index])
                row.samples.append(Sample(*place, False, row.repeats, unit_s, True, **seen, load=0.4))
                if cold:
                    row.samples.append(Sample(*place, True, 1, 4e-7 + 2.5 * unit_s, None, **seen, load=0.4))
    return rows


def _meta(kind: str, launches: int, rounds: int, *, cold: bool) -> dict[str, Any]:
    command = {"update": "kernels", "epoch": "epochs"}[kind]
    return {
        "kind": kind,
        "command": f"fastopt {command} --optimizers momentum,adam --threads 1,2 --out DIR",
        "created": "2026-01-02T03:04:05+00:00",
        "status": "finished",
        "planned_launches": launches,
        "elapsed_s": 431.0,
        "settings": {"launches": None, "rounds": rounds, "min_block_s": 0.05, "settle_s": 0.02, "cold": cold,
                     "precision": None, "budget_s": 600.0, "seed": 0, "timeout_s": 60.0},
        "environment": {
            "cpu": {"model": "Imaginary CPU 9000 <2 cores>", "cores": 2, "caches": CACHES},
            "python": "3.12.1",
            "versions": {"numpy": "2.4.6", "numba": "0.65.0"},
            "advice": ["the governor is powersave: set it to performance"],
            "git": {"commit": "0123abc", "dirty": False},
        },
        "ceilings": _ceilings(),
    }  # fmt: skip


def _ceilings() -> dict[str, Any]:
    def spread(value: float) -> dict[str, float]:
        return {"min": 0.9 * value, "median": value, "max": 1.05 * value, "blocks": 9}

    rates = {2**10: 160e9, 2**14: 90e9, 2**18: 45e9, 2**26: 12e9}
    bandwidth = [
        {"n_states": 2, "n": n, "threads": threads, "array_bytes": 16 * n, "bytes_per_s": spread(rate * threads**0.8)}
        for n, rate in rates.items() for threads in (1, 2)
    ]  # fmt: skip
    products = [
        {"who": "blas", "dtype": "float32", "threads": threads, "flop_per_s": spread(110e9 * threads)}
        for threads in (1, 2)
    ]
    return {"threads": 2, "bandwidth": bandwidth, "products": products}
