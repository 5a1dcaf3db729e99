"""Does it learn as well as others do? Test accuracy on Fashion-MNIST beside scikit-learn, same settings, several seeds.

    python benchmarks/accuracy.py --data-dir DIR --out reports/accuracy

One hidden layer of 100 ReLU units, Adam at 0.001, batches of 200, 10 epochs over all 60 000 training rows, pixels /
255, no regularisation: the model of the "MLPClassifier, relu, [100]" row of arXiv 1708.07747, table 3, which publishes
0.871. Softmax regression with the same settings stands beside it. Writes accuracy.json (every seed) and accuracy.md;
the clocks are for information, all take turns.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import fastopt
from fastopt.bench.machine import environment
from fastopt.bench.stats import median_interval
from fastopt.training import datasets

EPOCHS, HIDDEN, BATCH, RATE = 10, 100, 200, 1e-3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="where the files of fashion-mnist lie (or: FASTOPT_DATA)")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path("reports/accuracy"))
    options = parser.parse_args()
    try:
        data = datasets.load("fashion-mnist", data_dir=options.data_dir)
    except fastopt.errors.FastoptError as error:
        print(f"accuracy: {error}", file=sys.stderr)
        return 2
    train = np.concatenate([data.train, data.validation])
    arrays = data.features[train], data.labels[train], data.features[data.test], data.labels[data.test]
    rows = []
    for seed in range(options.seeds):
        for name, run in LIBRARIES.items():
            start = time.perf_counter()
            accuracy = run(*arrays, seed)
            rows.append({"library": name, "seed": seed, "test_accuracy": accuracy, "s": time.perf_counter() - start})
            print(rows[-1], flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    settings = {"epochs": EPOCHS, "hidden": [HIDDEN], "batch_size": BATCH, "learning_rate": RATE, "optimizer": "adam"}
    document = {"settings": settings, "rows": rows, "environment": environment()}
    (options.out / "accuracy.json").write_text(json.dumps(document, indent=1) + "\n")
    (options.out / "accuracy.md").write_text(table(rows))
    return 0


def with_fastopt(X: Any, y: Any, X_test: Any, y_test: Any, seed: int) -> float:
    return _trained((X, y, X_test, y_test), seed, model="mlp", hidden=(HIDDEN,))


def with_softmax(X: Any, y: Any, X_test: Any, y_test: Any, seed: int) -> float:
    return _trained((X, y, X_test, y_test), seed, model="softmax")


def _trained(data: tuple[Any, ...], seed: int, **model: Any) -> float:
    settings = {"optimizer": fastopt.Adam(RATE), "batch_size": BATCH, "epochs": EPOCHS, "seed": seed}
    return fastopt.train(data, **model, **settings).test().accuracy


def with_sklearn(X: Any, y: Any, X_test: Any, y_test: Any, seed: int) -> float:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        (HIDDEN,), learning_rate_init=RATE, batch_size=BATCH, alpha=0.0, max_iter=EPOCHS, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "maximum iterations reached" is what was asked for
        model.fit(X, y)
    return float(model.score(X_test, y_test))


LIBRARIES = {"fastopt": with_fastopt, "scikit-learn": with_sklearn, "fastopt, softmax regression": with_softmax}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the Markdown table of medians over seeds."""
    lines = [
        f"Fashion-MNIST, mlp 784-{HIDDEN}-10, Adam {RATE}, batch {BATCH}, {EPOCHS} epochs on 60 000 rows "
        "(made by `python benchmarks/accuracy.py`):",
        "",
        "| library | seeds | median test accuracy | 95 % interval | lowest |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["library"] for row in rows):
        values = [row["test_accuracy"] for row in rows if row["library"] == name]
        middle = median_interval(values)
        interval = f"{middle.low:.4f} to {middle.high:.4f}" if middle.known else "needs six seeds"
        lines.append(f"| {name} | {len(values)} | {middle.median:.4f} | {interval} | {min(values):.4f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
