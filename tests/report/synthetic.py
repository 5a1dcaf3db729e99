"""A made-up study with known answers, written through fastopt.records.Writer; deterministic, for tests only."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from fastopt.records import FILE_NAME, Writer

N_TRAIN = 1257
# The columns that later versions of the schema brought.
NEWER_THAN_1 = {
    "runs": ("cutoff", "hit_after", "hit_by", "goal_best", "options", "rule"),
    "curves": ("small", "big", "small_square", "big_square"),
    "timings": (
        *("memory_bytes", "launch", "warm", "switches", "others_s", "steal_s", "load"),
        *("crowding", "left_out", "order_s"),
    ),
}
RANGES = {"sgd": [1e-3, 10.0], "momentum": [1e-3, 10.0], "rmsprop": [1e-5, 0.1], "adam": [1e-5, 0.1]}


def store(
    folder: Path,
    factors: dict[str, float] | None = None,  # optimizer: its loss, relative
    batches: tuple[str, ...] = ("1", "8", "32", "128", "512", "full"),
    seeds: int = 6,
    epochs: int = 20,
    tune: int = 8,
    learning_rate: float | None = None,
    rounds: int = 7,
    finals: bool = True,
    status: str = "finished",
    diverged: dict[tuple[str, str], int] | None = None,  # (optimizer, batch): how many final runs diverge
    edge: tuple[str, str] | None = None,  # the cell whose best rate lies beyond the range
    noise: float = 0.02,
    extra_trials: dict[tuple[str, str], int] | None = None,
    confirm: bool = True,
    regression: bool = False,
    busy: Collection[tuple[str, str]] = (),  # the cells that were timed beside other work
    untimed: Collection[dict[str, str]] = (),  # what the timing pass said of the cells that it could not time
    settings: str = "",  # the text of study.toml
    **config: Any,  # more of the configuration, or other: budget, reduction, schedule, workers
) -> Path:
    """Write a study whose truth is: loss = 0.06 * factor * (1 + 0.04 d^2), d doublings away from batch size 8, halved
    for d towards smaller ones; a step takes 2 us + 0.1 us per row; a rate of 8 times the best one diverges. The loss of
    a trial is exp(0.12 ln(rate / best rate)^2) times that.
    """
    factors = {"sgd": 1.7, "momentum": 1.2, "rmsprop": 1.25, "adam": 1.0} if factors is None else factors
    diverged, extra_trials = diverged or {}, extra_trials or {}
    folder.mkdir(parents=True, exist_ok=True)
    if settings:
        (folder / "study.toml").write_text(settings, encoding="utf-8")
    writer = Writer(folder)
    writer.meta(
        created="2026-01-02T03:04:05+00:00",
        command="fastopt compare --dataset digits --model mlp --seeds 6 --epochs 20",
        status=status,
        compile_time_s=7.25,
        untimed=list(untimed),
        dataset={
            "name": "digits",
            "n_train": N_TRAIN,
            "n_validation": 270,
            "n_test": 270,
            "n_features": 64,
            "n_classes": 0 if regression else 10,
            "provenance": {"source": "UCI ML hand-written digits", "licence": "CC BY 4.0"},
        },
        environment={
            "cpu": {"model": "Imaginary CPU 9000 <2 cores>", "cores": 2},
            "python": "3.12.1",
            "versions": {"numpy": "2.4.6", "numba": "0.65.0"},
            "blas": [{"internal_api": "openblas", "architecture": "Haswell", "num_threads": 1}],
            "git": {"commit": "0123abc", "dirty": False},
        },
        config={
            "dataset": "digits",
            "model": "mlp",
            "hidden": [32],
            "optimizers": list(factors),
            "batch_sizes": list(batches),
            "seeds": list(range(1, seeds + 1)),
            "search_seed": 0,
            "budget": {"epochs": epochs},
            "tune": 0 if learning_rate else tune,
            "learning_rate": learning_rate,
            "learning_rate_ranges": {name: RANGES.get(name, [1e-4, 1.0]) for name in factors},
            "dtype": "float32",
            "backend": "serial",
        }
        | config,
    )
    rng = np.random.default_rng(7)
    seed_noise = rng.normal(0.0, 0.05, seeds)  # shared by all cells: pairing takes it out
    for optimizer, factor in factors.items():
        for batch in batches:
            size = N_TRAIN if batch == "full" else int(batch)
            doublings = math.log2(size / 8)
            best = 0.06 * factor * (1 + 0.04 * doublings**2 * (1.0 if doublings > 0 else 0.5))
            low, high = RANGES.get(optimizer, [1e-4, 1.0])
            peak = low * (high / low) ** (0.45 + 0.3 * math.log(size) / math.log(N_TRAIN))
            if edge == (optimizer, batch):
                peak = high * 50
            steps = -(-N_TRAIN // size)
            n_trials = 0 if learning_rate else tune + extra_trials.get((optimizer, batch), 0)
            searched: dict[float, float] = {}
            for trial in range(n_trials):
                tried = low * (high / low) ** ((trial + 0.5) / n_trials)
                loss = min(best * math.exp(0.12 * math.log(tried / peak) ** 2), 2.2 + 0.01 * trial)
                loss = math.nan if tried > 8 * peak else loss
                identity = f"search-{optimizer}-{batch}-{trial}"
                run = _run(identity, "search", optimizer, batch, size, tried, 0, steps, epochs, loss)
                writer.run(run, _curve(steps, epochs, loss))
                if not math.isnan(loss):
                    searched[tried] = loss
            ranked = sorted(searched, key=lambda rate: searched[rate])
            for tried in ranked[:3] if confirm else []:
                for seed in (1001, 1002):
                    loss = searched[tried] * (1 + 1e-4 * seed / 1000)
                    identity = f"confirm-{optimizer}-{batch}-{tried}-{seed}"
                    run = _run(identity, "confirm", optimizer, batch, size, tried, seed, steps, epochs, loss)
                    writer.run(run, _curve(steps, epochs, loss))
            chosen = learning_rate or (ranked[0] if ranked else 0.0)
            for seed in range(seeds if finals else 0):
                loss = best * math.exp(seed_noise[seed] + rng.normal(0.0, noise))
                bad = seed < diverged.get((optimizer, batch), 0)
                identity = f"final-{optimizer}-{batch}-{seed + 1}"
                value = math.nan if bad else loss
                run = _run(identity, "final", optimizer, batch, size, chosen, seed + 1, steps, epochs, value)
                if not bad:
                    run |= {"test_loss": loss * 1.1, "test_accuracy": None if regression else 1 - 0.5 * loss}
                writer.run(run, _curve(steps, epochs, value))
            for number in range(rounds):
                time_s = steps * 3 * (2e-6 + 1e-7 * size) * (1 + 0.1 * factor) * math.exp(rng.normal(0.0, 0.03))
                timing = {"optimizer": optimizer, "batch": batch, "batch_size": size, "round": number, "position": 0}
                timing |= {"backend": "serial", "threads": 1, "chunks": 1, "epochs": 3, "steps": 3 * steps}
                memory_bytes = 4 * (2_000 * (2 + (optimizer == "adam") * 2) + 42 * size)
                noisy = (optimizer, batch) in busy
                timing |= {"launch": 3 * (number // 3), "warm": 1, "switches": 0, "steal_s": 0.0, "load": 0.5}
                timing |= {"left_out": "", "crowding": 1.0}
                timing |= {"others_s": 1.0 + time_s if noisy else 0.0}
                writer.timing(timing | {"time_s": time_s, "memory_bytes": memory_bytes})
    writer.close()
    return folder


def store_version_1(folder: Path, **truth: Any) -> Path:
    """Write a study as fastopt 0.1 stored it: nothing confirmed, no memory, timed by itself, a budget in epochs."""
    store(folder, confirm=False, **truth)
    connection = sqlite3.connect(folder / FILE_NAME)
    with connection:
        connection.execute("ALTER TABLE timings RENAME TO newer")
        connection.execute("CREATE TABLE timings AS SELECT * FROM newer")  # without a key on what is dropped
        connection.execute("DROP TABLE newer")
        for table, names in NEWER_THAN_1.items():
            for name in names:
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        config = json.loads(connection.execute("SELECT value FROM meta WHERE key = 'config'").fetchone()[0])
        config["epochs"] = config.pop("budget")["epochs"]
        for key, value in {"config": config, "schema_version": 1}.items():
            connection.execute("UPDATE meta SET value = ? WHERE key = ?", (json.dumps(value), key))
    connection.close()
    return folder


def _run(
    run_id: str, phase: str, optimizer: str, batch: str, size: int, learning_rate: float, seed: int, steps: int,
    epochs: int, loss: float,
) -> dict[str, Any]:  # fmt: skip
    bad = math.isnan(loss)
    done = 2 if bad else epochs
    return {
        "run_id": run_id,
        "phase": phase,
        "optimizer": optimizer,
        "batch": batch,
        "batch_size": size,
        "learning_rate": learning_rate,
        "seed": seed,
        "status": "diverged" if bad else "finished",
        "reason": f"loss is not finite at step {2 * steps}; try a learning rate ten times smaller" if bad else "",
        "epochs": float(done),
        "steps": steps * done,
        "samples": N_TRAIN * done,
        "seconds": 1e-5 * steps * done,
        "train_loss": None if bad else loss * 0.5,
        "validation_loss": None if bad else loss,
        "validation_accuracy": None if bad else 1 - 0.5 * loss,
        "best_validation_loss": None if bad else loss * 0.99,
        "test_loss": None,
        "test_accuracy": None,
    }


def _curve(steps: int, epochs: int, loss: float) -> list[dict[str, Any]]:
    points = []
    for epoch in range((2 if math.isnan(loss) else epochs) + 1):
        fall = math.exp(-6.0 * epoch / epochs)
        value = (
            2.3 * 3.0**epoch if math.isnan(loss) else loss + (2.3 - loss) * (fall - math.exp(-6.0)) / (1 - math.exp(-6))
        )
        points.append({
            "point": epoch, "epoch": float(epoch), "step": epoch * steps, "samples": epoch * N_TRAIN,
            "seconds": 1e-5 * epoch * steps, "train_loss": value * (1 - 0.5 * epoch / epochs), "validation_loss": value,
            "validation_accuracy": 0.9, "learning_rate": 0.1, "gradient_norm": 1.0,
        })  # fmt: skip
    return points
