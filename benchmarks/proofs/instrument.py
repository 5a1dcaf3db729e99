"""Does the instrument tell the truth on this machine? `python benchmarks/proofs/instrument.py --out reports/proofs`

`aa`: 200 comparisons of identical kernels, of which at most 2 % may be called faster or slower. `planted`: slowdowns
of 5 and 10 % with the default settings, and of 3 % within five minutes each, found or "cannot tell", never a wrong
verdict. `overhead`: what the loop around a contender costs beside the smallest step, asked to be below 0.5 %.
Writes instrument.json and instrument.md, anew after each; `--only` names some. An hour and a half, on a quiet machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from wording import words

from fastopt import plugins
from fastopt.bench.contenders.repeat import repeated
from fastopt.bench.contenders.update_case import UpdateCase
from fastopt.bench.contenders.updates import FastoptSerial
from fastopt.bench.machine import environment, usable_cores
from fastopt.bench.protocol import Measuring, Planned, Protocol
from fastopt.bench.selftest import planted
from fastopt.bench.selftest.planted import Outcome
from fastopt.bench.verdicts import Judgement, Pair, Verdict, judge

CALLED = (Verdict.FASTER, Verdict.SLOWER)
OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam")
SIZES = tuple(round(n) for n in np.geomspace(1e3, 3e6, 25))
REPETITIONS = 10  # of 5 and 10 % planted, 20 comparisons of each with nothing planted beside them
LONG_S, LONG_DRAWS = 300.0, 6


def aa() -> dict[str, Any]:
    """Our kernels against themselves: each optimizer and size, serial on one thread and parallel on all."""
    plugins.load(str(Path(__file__).with_name("identical.py")))
    kinds = ("serial", 1), ("parallel", usable_cores())
    plan = [
        Planned(UpdateCase(optimizer, n, threads=threads), (f"fastopt {kind}", f"same {kind}"), f"fastopt {kind}")
        for (kind, threads), optimizer, n in itertools.product(kinds, OPTIMIZERS, SIZES)
    ]
    pairs = []
    for comparison in Measuring(plan, Protocol(), {}).run().comparisons:
        (same,) = (row.name for row in comparison.rows if row.name.startswith("same"))
        pairs.append(Pair(comparison.paired(same, comparison.baseline), comparison.twins))
    together, alone = judge(pairs), [judge([pair])[0] for pair in pairs]
    return {
        "comparisons": len(pairs),
        "judged together": dict(Counter(judgement.verdict for judgement in together)),
        "judged one by one": dict(Counter(judgement.verdict for judgement in alone)),
        "called together": share_called(together),
        "called one by one": share_called(alone),
        "floors": quantiles([judgement.floor for judgement in together]),
        "smallest visible": quantiles([judgement.smallest_visible for judgement in together]),
        "ratios": quantiles([judgement.ratio.median for judgement in together]),
    }


def share_called(judgements: Sequence[Judgement]) -> float:
    """The share of verdicts that say faster or slower."""
    return sum(judgement.verdict in CALLED for judgement in judgements) / len(judgements)


def quantiles(values: Sequence[float]) -> list[float]:
    """Minimum, 5 %, median, 95 %, maximum of the finite values."""
    return [float(value) for value in np.quantile([v for v in values if np.isfinite(v)], [0, 0.05, 0.5, 0.95, 1])]


def planted_slowdowns() -> dict[str, Any]:
    """Each draw is a measurement of its own, judged by itself."""
    found: dict[str, Any] = {}
    for slowdown in (0.10, 0.05):
        draws = [planted.measured((slowdown,), Protocol(seed=seed)) for seed in range(REPETITIONS)]
        found[f"{slowdown:.0%}"] = told(itertools.chain(*draws))
    # as many launches as five minutes hold: the budget ends it
    patient = Protocol(launches=1_000, budget_s=LONG_S)
    draws = [planted.measured((0.03,), dataclasses.replace(patient, seed=seed)) for seed in range(LONG_DRAWS)]
    found["3%, five minutes"] = told(itertools.chain(*draws))
    return found


def told(outcomes: Iterator[Outcome]) -> dict[str, Any]:
    """How many were found, wrong, and not told; those with nothing planted apart."""
    listed = list(outcomes)
    there = [outcome for outcome in listed if outcome.slowdown]
    return {
        "planted": len(there),
        "found": sum(outcome.found for outcome in there),
        "cannot tell": sum(outcome.judgement.verdict == Verdict.UNDECIDED for outcome in there),
        "wrong": sum(outcome.wrong for outcome in listed),
        "nothing planted": len(listed) - len(there),
        "ratios": quantiles([outcome.judgement.ratio.median for outcome in there]),
        "smallest visible": quantiles([outcome.judgement.smallest_visible for outcome in there]),
    }


def overhead() -> dict[str, Any]:
    """The loop of `repeated` around an empty call, beside the calls written out, as a share of the smallest step."""
    contender = FastoptSerial()
    contender.prepare(UpdateCase("adam", 1_000, threads=1))
    step_s = best(lambda: contender.run(10_000), 10_000)
    looped_s = best(lambda: repeated(nothing, 100_000), 100_000)
    bare_s = best(written_out(), 100_000)
    return {
        "step_s": step_s,
        "empty call in the loop_s": looped_s,
        "empty call written out_s": bare_s,
        "share": max(looped_s - bare_s, 0.0) / step_s,
    }


def nothing() -> None:
    """An empty call."""


def written_out() -> Callable[[], None]:
    """A function that calls `nothing` 1 000 times, a hundred times over."""
    body = "".join("    nothing()\n" for _ in range(1_000))
    names: dict[str, Any] = {"nothing": nothing}
    exec(f"def thousand(nothing=nothing):\n{body}", names)

    def hundred() -> None:
        for _ in range(100):
            names["thousand"]()

    return hundred


def best(work: Callable[[], None], calls: int, times: int = 50) -> float:
    """The least seconds per call out of `times`: what disturbs only ever adds."""
    found = []
    for _ in range(times):
        start = time.perf_counter_ns()
        work()
        found.append(time.perf_counter_ns() - start)
    return min(found) / calls / 1e9


PROOFS = {"aa": aa, "planted": planted_slowdowns, "overhead": overhead}


def page(record: dict[str, Any]) -> str:
    """Return the Markdown page of a record."""
    cpu = record["environment"]["cpu"]
    lines = [
        "# Does the instrument tell the truth?",
        "",
        f"Measured on {cpu['model']}, {cpu['usable_cores']} cores, alone, {record['created']}; made by "
        "`python benchmarks/proofs/instrument.py --out reports/proofs`, all figures in instrument.json. Quantiles are "
        "minimum, 5 %, median, 95 % and maximum.",
    ]
    for name, proof in PROOFS.items():
        if name in record:
            lines += ["", f"## {name}", "", (proof.__doc__ or "").strip(), ""]
            lines += [f"- {key}: {words(value)}" for key, value in record[name].items()]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is asked for; returns 2 for bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for instrument.json and instrument.md")
    parser.add_argument("--only", default=",".join(PROOFS), metavar="NAME,...", help="default: %(default)s")
    options = parser.parse_args(argv)
    names = options.only.split(",")
    if unknown := [name for name in names if name not in PROOFS]:
        print(f"instrument: unknown proof {unknown[0]!r}; known: {', '.join(PROOFS)}", file=sys.stderr)
        return 2
    target = options.out / "instrument.json"
    record: dict[str, Any] = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for name in names:
            record |= {
                "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "environment": environment(),
                name: PROOFS[name](),
            }
            target.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            target.with_suffix(".md").write_text(page(record), encoding="utf-8")
            print(f"{name}: {words(record[name])}", flush=True)
    except OSError as error:
        print(f"instrument: cannot write to {options.out}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
