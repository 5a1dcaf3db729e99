"""A made-up study towards a goal with known laws, written through fastopt.records.Writer; deterministic, for tests."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastopt.records import Writer

N_TRAIN = 4096
GOAL = {"metric": "train_loss", "value": 0.1, "in_a_row": 2}
START = 2.4
CUTOFF = 4.0
LOOKS = 2.0**0.25


class Truth(NamedTuple):
    """S(B) = s_min (1 + b_crit / B); a step takes fixed_s + B row_s, of which the update is `update_s`."""

    s_min: float = 100.0
    b_crit: float = 64.0
    fixed_s: float = 2e-5
    row_s: float = 5e-7
    update_s: float = 1e-5
    noise: float = 0.1

    def steps(self, batch_size: int) -> float:
        return self.s_min * (1.0 + self.b_crit / batch_size)

    def step_s(self, batch_size: int) -> float:
        return self.fixed_s + batch_size * self.row_s


TRUTHS = {"sgd": Truth(s_min=300.0), "adam": Truth()}


def goal_store(
    folder: Path,
    truths: dict[str, Truth] | None = None,
    batches: tuple[int, ...] = (1, 4, 16, 64, 256, 1024),
    seeds: int = 6,
    tune: int = 8,
    rounds: int = 7,
    status: str = "finished",
    never: tuple[tuple[str, int], ...] = (),  # cells whose every trial misses
    missed: dict[tuple[str, int], int] | None = None,  # final runs that miss
    bare: tuple[tuple[str, int], ...] = (),  # cells that have a search, and nothing after it
    goal: dict[str, Any] | None = None,
    **config: Any,
) -> Path:
    """Write a study whose runs take their law's steps times exp(noise) to the goal, along log-linear curves.

    A trial at x times the best rate takes (1 + ln(x)^2) times the steps; runs of one seed share half of their noise.
    """
    truths, missed, asked = truths or TRUTHS, missed or {}, goal or GOAL
    folder.mkdir(parents=True, exist_ok=True)
    writer = Writer(folder)
    writer.meta(**_meta(status, list(truths), batches, seeds, tune, rounds, asked, config))
    rng = np.random.default_rng(3)
    shared = rng.normal(0.0, 1.0, seeds)
    for optimizer, truth in truths.items():
        for size in batches:
            law, cell = truth.steps(size), {"optimizer": optimizer, "batch": str(size), "batch_size": size}
            hits = []
            for trial in range(tune):
                rate = 0.05 * 2.0 ** (trial - tune // 2) * (1 + trial / 100)
                steps = law * (1.0 + math.log(rate / 0.05) ** 2)
                given = CUTOFF * min(hits, default=math.inf)
                steps = math.inf if (optimizer, size) in never or steps > given else steps
                hits.append(steps)
                run = cell | {"phase": "search", "learning_rate": rate, "seed": 1_000_000}
                _write(writer, run | {"run_id": f"s-{optimizer}-{size}-{trial}"}, steps, min(given, 1e5), asked, rng)
            if (optimizer, size) not in never and (optimizer, size) not in bare:
                for seed in range(seeds):
                    noise = truth.noise * (0.7 * shared[seed] + 0.7 * rng.normal())
                    steps = math.inf if seed < missed.get((optimizer, size), 0) else law * math.exp(noise)
                    run = cell | {"phase": "final", "learning_rate": 0.05, "seed": seed}
                    _write(writer, run | {"run_id": f"f-{optimizer}-{size}-{seed}"}, steps, CUTOFF * law, asked, rng)
            for number in range(1, rounds + 1):
                writer.timing(*(_timing(cell, truth, number, phase, rng) for phase in ("", "order", "model", "update")))
    writer.close()
    return folder


def _meta(
    status: str, optimizers: list[str], batches: tuple[int, ...], seeds: int, tune: int, rounds: int,
    goal: dict[str, Any], config: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    return {
        "created": "2026-01-02T03:04:05+00:00",
        "command": "fastopt compare --goal train_loss=0.1",
        "status": status,
        "compile_time_s": 7.25,
        "untimed": [],
        "dataset": {
            "name": "digits", "n_train": N_TRAIN, "n_validation": 270, "n_test": 270, "n_features": 64, "n_classes": 10,
            "provenance": {"source": "UCI ML hand-written digits", "licence": "CC BY 4.0"},
        },
        "environment": {"cpu": {"model": "Imaginary CPU 9000 <2 cores>"}, "versions": {"numpy": "2.4.6"}},
        "config": {
            "dataset": "digits", "model": "mlp", "hidden": [32], "optimizers": optimizers, "dtype": "float32",
            "batch_sizes": [str(size) for size in batches], "seeds": list(range(seeds)), "budget": {"epochs": 50},
            "tune": tune, "waves": 3, "cutoff": CUTOFF, "goal": goal, "study_budget_s": None, "backend": "auto",
            "timing_rounds": rounds, "learning_rate_ranges": {name: [1e-3, 1.0] for name in optimizers},
        }
        | config,
    }  # fmt: skip


def _write(
    writer: Writer, run: dict[str, Any], steps: float, given: float, goal: dict[str, Any], rng: np.random.Generator
) -> None:
    """A run that is at the goal after `steps`, and is given up after `given`: looked at on a grid of samples."""
    size, looks, point = run["batch_size"], [0], float(N_TRAIN / 16)
    end = min(steps * LOOKS**2, given)
    while looks[-1] < end:
        looks.append(max(looks[-1] + 1, math.ceil(point / size)))
        point *= LOOKS
    reached = [look >= steps for look in looks]
    hit = reached.index(True) if reached[-1] and reached.count(True) > 1 else None
    looks = looks if hit is None else looks[: hit + 2]
    length = steps if math.isfinite(steps) else 10 * given
    values = [_value(goal, look / length) for look in looks]
    metric = goal["metric"]
    writer.run(
        run
        | {"status": "finished" if hit is None else "reached", "reason": "", "steps": looks[-1], "cutoff": round(given)}
        | {"epochs": looks[-1] * size / N_TRAIN, "samples": looks[-1] * size, "seconds": 1e-4 * looks[-1]}
        | {"hit_after": looks[-1] if hit is None else looks[hit - 1], "hit_by": None if hit is None else looks[hit]}
        | {"goal_best": values[-1], metric: values[-1]}
        | ({"test_loss": 0.2, "test_accuracy": 0.9} if run["phase"] == "final" else {}),
        [
            {"point": i, "step": look, "samples": look * size, "epoch": look * size / N_TRAIN, metric: value}
            | (_squares(size, rng) if i and size >= 8 else {})
            for i, (look, value) in enumerate(zip(looks, values, strict=True))
        ],
    )


def _value(goal: dict[str, Any], progress: float) -> float:
    """The metric at a share of the way to the goal: log-linear from the start, a little beyond it after the hit."""
    if "accuracy" in goal["metric"]:
        return 1.0 - 0.9 * ((1.0 - goal["value"]) / 0.9) ** progress
    return START * (goal["value"] / START) ** progress


def _squares(size: int, rng: np.random.Generator) -> dict[str, float]:
    """Squared norms whose noise scale is 64 rows: |G|^2 = 1, tr(Sigma) = 64."""
    factor = math.exp(rng.normal(0.0, 0.02))
    return {
        "small": size / 2, "big": size, "small_square": (1 + 64 / (size / 2)) * factor,
        "big_square": (1 + 64 / size) * factor,
    }  # fmt: skip


def _timing(cell: dict[str, Any], truth: Truth, number: int, phase: str, rng: np.random.Generator) -> dict[str, Any]:
    size = cell["batch_size"]
    whole = truth.step_s(size)
    saved = {"": 0.0, "order": 1e-6, "model": whole - truth.update_s - 2e-6, "update": truth.update_s}[phase]
    steps = 100
    return cell | {
        "round": number, "position": 0, "left_out": phase, "launch": 1 + 3 * ((number - 1) // 3), "backend": "serial",
        "threads": 1, "chunks": 1, "epochs": steps * size / N_TRAIN, "steps": steps,
        "time_s": steps * (whole - saved) * math.exp(rng.normal(0.0, 0.01)), "memory_bytes": 1000, "warm": 1,
        "switches": 0, "others_s": 0.0, "steal_s": 0.0, "load": 0.5, "crowding": 1.0,
    }  # fmt: skip
