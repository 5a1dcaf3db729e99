"""A plain PyTorch training at several batch sizes, logged for `fastopt analyse`: `python benchmarks/torch_logs.py --out
runs.csv`

An MLP with 64 ReLU units on the digits that come with fastopt, trained by torch.optim.Adam, one thread; every batch
size at every rate on every seed, looked at by its loss over all training rows. Two minutes; needs PyTorch.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from fastopt.callbacks import CsvLogger
from fastopt.errors import FastoptError
from fastopt.training.datasets import load

BATCH_SIZES = (4, 16, 64, 256, 1024)
RATES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
SEEDS = 6
GOAL, MOST_EPOCHS = 0.05, 40


def train(path: Path, batch_size: int, learning_rate: float, seed: int) -> None:
    """Train one run until it is well below the goal, or for `MOST_EPOCHS` epochs."""
    data = load("digits")
    x = torch.from_numpy(np.ascontiguousarray(data.features[data.train]))
    y = torch.from_numpy(data.labels[data.train].astype(np.int64))
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    loss_of = torch.nn.functional.cross_entropy
    with CsvLogger(path, batch_size=batch_size, learning_rate=learning_rate, seed=seed, optimizer="torch adam") as log:
        for _ in range(MOST_EPOCHS):
            for rows in torch.randperm(len(x)).split(batch_size):
                optimizer.zero_grad()
                loss_of(model(x[rows]), y[rows]).backward()
                optimizer.step()
                log.step()
                if log.due():
                    with log.looking(), torch.no_grad():
                        loss = loss_of(model(x), y).item()
                    log.look(loss=loss)
                    if loss < GOAL / 2:
                        return


def main(argv: Sequence[str] | None = None) -> int:
    """Train every run, into one log."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, metavar="RUNS.csv", help="the log, a new file")
    options = parser.parse_args(argv)
    if options.out.exists():
        print(f"torch_logs: {options.out} is there already: name a new file", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    try:
        for batch_size, learning_rate, seed in itertools.product(BATCH_SIZES, RATES, range(SEEDS)):
            train(options.out, batch_size, learning_rate, seed)
            print(f"batch size {batch_size}, learning rate {learning_rate:g}, seed {seed}", flush=True)
    except FastoptError as error:
        print(f"torch_logs: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
