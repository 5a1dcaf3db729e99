"""The tables of the README, from the records: `python benchmarks/readme.py` prints them, a test holds it to them.

Each row is one case of reports/kernels, epochs or logistic: our time per step, then the times over ours of the best
peer and of the best known ones, each with its 95 % interval, and with the verdict where the page does not call us
faster. The pages have the other peers and numbers of threads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fastopt import measurements
from fastopt.bench.verdicts import Judgement, Verdict
from fastopt.optimizers import OPTIMIZERS
from fastopt.report.measurement.results import CaseResults, case_results
from fastopt.report.numbers import duration

REPORTS = Path(__file__).resolve().parents[1] / "reports"
# Head of a column -> the contenders that stand for it: the first of them that was timed.
STEP_PEERS = {
    "PyTorch fused": ("torch fused", "torch foreach"),
    "PyTorch compiled": ("torch compile",),
    "optax": ("optax",),
    "DeepSpeed": ("deepspeed",),
    "NumPy": ("numpy",),
}
EPOCH_PEERS = {
    "JAX scan": ("jax scan",),
    "PyTorch eager": ("torch eager",),
    "its DataLoader": ("torch dataloader",),
    "PyTorch compiled": ("torch compile",),
    "Keras fit": ("keras fit",),
    "scikit-learn": ("scikit-learn mlp", "scikit-learn sgd"),
}
THREADS = 2


class Table(NamedTuple):
    """The head of the first column, and the peers that have columns of their own."""

    first: str
    peers: Mapping[str, Sequence[str]]


TABLES = {
    "kernels": Table("one update", STEP_PEERS),
    "epochs": Table("one training step", EPOCH_PEERS),
    "logistic": Table("one training step, 512 x 20", EPOCH_PEERS),
}


def table(name: str) -> Iterator[str]:
    """Yield the lines of the table of one report."""
    first, peers = TABLES[name]
    cases = [case for case in case_results(measurements.read(REPORTS / name)) if case.group.threads == THREADS]
    shown = [head for head, names in peers.items() if any(_found(case, names) for case in cases)]
    heads = [first, "fastopt", "best peer", *shown]
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for case in cases:
        ours = duration(case.ours.step_s.median) if case.ours else "not timed"
        best = case.best_peer
        leader = f"{best.name} {words(best.to_ours)}" if best and best.to_ours else "none"
        cells = [_found(case, peers[head]) for head in shown]
        yield f"| {' | '.join([title(case), ours, leader, *map(_cell, cells)])} |"


def _found(case: CaseResults, names: Sequence[str]) -> Judgement | None:
    by_name = {result.name: result.to_ours for result in case.results}
    return next((found for name in names if (found := by_name.get(name))), None)


def _cell(found: Judgement | None) -> str:
    return words(found) if found else ""


def title(case: CaseResults) -> str:
    """Return the first cell: "Adam, 1e5"."""
    size = f"batch {case.size_words}" if case.kind.name == "epoch" else case.size_words
    return f"{OPTIMIZERS[case.group.subject].__name__}, {size}"


def words(judgement: Judgement) -> str:
    """Return a ratio with its interval, and the verdict unless we are faster: "3.8 (3.7 to 4.9)"."""
    ratio = judgement.ratio
    bounds = f"({short(ratio.low)} to {short(ratio.high)})" if ratio.known else "(no interval)"
    verdict = {Verdict.SLOWER: "", Verdict.FASTER: ", faster than we"}.get(judgement.verdict, f", {judgement.verdict}")
    return f"{short(ratio.median)} {bounds}{verdict}"


def short(value: float) -> str:
    """Return two or three significant digits."""
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}" if value >= 3 else f"{value:.2f}"


def main(names: Sequence[str]) -> None:
    """Print the tables of the reports named, or of all."""
    for name in names or TABLES:
        print("\n".join(table(name)), end="\n\n")


if __name__ == "__main__":
    main(sys.argv[1:])
