"""The tables of the README, from the records: `python benchmarks/readme.py` prints them, a test holds it to them.

Each row is one case of reports/kernels, epochs or logistic: our time per step, then the peers' times over ours, the
best first, each with its 95 % interval, and with the verdict where the page does not call us faster.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from fastopt import measurements
from fastopt.bench.verdicts import Judgement, Verdict
from fastopt.measurements import PEER
from fastopt.report.measurement.results import CaseResults, case_results
from fastopt.report.numbers import count, duration

REPORTS = Path(__file__).resolve().parents[1] / "reports"
TABLES = {"kernels": "one update", "epochs": "one training step", "logistic": "one training step, 512 x 20"}


def table(name: str, first: str) -> Iterator[str]:
    """Yield the lines of the table of one report; `first` is the head of its first column."""
    yield f"| {first} | fastopt | best peer | the others |"
    yield "|---|---|---|---|"
    for case in case_results(measurements.read(REPORTS / name)):
        peers = [(result.name, result.to_ours) for result in case.results if result.row.role == PEER]
        timed = sorted(((peer, found) for peer, found in peers if found), key=lambda pair: pair[1].ratio.median)
        best, *others = [f"{peer} {words(found)}" for peer, found in timed] or ["none"]
        ours = duration(case.ours.step_s.median) if case.ours else "not timed"
        yield f"| {title(case)} | {ours} | {best} | {'; '.join(others)} |"


def title(case: CaseResults) -> str:
    """Return the first cell: "Adam, 1e5, 2 threads"."""
    threads = count(case.group.threads, "thread")
    size = f"batch {case.size_words}" if case.kind.name == "epoch" else case.size_words
    return ", ".join([case.group.subject.capitalize(), size, threads])


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
        print("\n".join(table(name, TABLES[name])), end="\n\n")


if __name__ == "__main__":
    main(sys.argv[1:])
