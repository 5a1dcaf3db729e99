"""Do the statistics hold what they promise? `python benchmarks/proofs/simulations.py --out reports/proofs`

Simulated noise whose truth is known: how often intervals cover it, and what verdicts say. Seeds are fixed, so the same
versions give the same figures. Writes coverage.json (every figure) and coverage.md; takes a minute or two.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import clusters
import intervals
import numpy as np

SEED = 20261121


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, and write coverage.json and coverage.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for coverage.json and coverage.md")
    parser.add_argument("--draws", type=int, default=2_000, help="draws of each kind of noise, and comparisons")
    options = parser.parse_args(argv)
    if options.draws < 1:
        return complain(f"--draws must be 1 or more, got {options.draws}")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        record = {
            "seed": SEED,
            "draws": options.draws,
            "numpy": np.__version__,
            "intervals": list(intervals.rows(options.draws, SEED)),
            "verdicts": list(clusters.rows(options.draws, SEED)),
        }
        (options.out / "coverage.json").write_text(
            json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        (options.out / "coverage.md").write_text(page(record), encoding="utf-8")
    except OSError as error:
        return complain(f"cannot write to {options.out}: {error.strerror}; name a folder that can be written")
    print(page(record))
    return 0


def complain(message: str) -> int:
    """Print one line to stderr; returns the exit code of bad input."""
    print(f"simulations: {message}", file=sys.stderr)
    return 2


def page(record: dict[str, Any]) -> str:
    """Return the Markdown page of a record."""
    draws = record["draws"]
    lines = [
        "# Do the statistics hold what they promise?",
        "",
        f"Simulated noise whose truth is known, {draws:,} draws or comparisons of each kind, seed {record['seed']} "
        "(made by `python benchmarks/proofs/simulations.py --out reports/proofs`; coverage.json has every figure). "
        f"The standard error of a share of 95 % of {draws:,} is {100 * (0.95 * 0.05 / draws) ** 0.5:.1f} points.",
        "",
        "## 95 % intervals of a median",
        "",
        "An interval holds if it covers in 93 to 97 % of the draws in which it is given. Where it covers less often, "
        "it says that it cannot if a wrong interval was given in 7 % of all draws or fewer. `median_interval` is for "
        "independent values and is shown on dependent ones for comparison; timings go through `timing_interval`.",
        "",
        "| rule | values | noise | given | covered, of those given | wrong, of all | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in record["intervals"]:
        cells = row["rule"], str(row["n"]), row["noise"], percent(row["given"]), percent(row["covered"])
        lines.append(f"| {' | '.join(cells)} | {percent(row['wrong'])} | {row['says']} |")
    lines += [
        "",
        *(interval_summary(rule, record["intervals"]) for rule in intervals.RULES),
        "## Verdicts on pairs",
        "",
        "Noise per round s_w, launch effects s_b. Wrong: called faster or slower without a difference or on its wrong "
        f"side, or equal within a floor that it exceeds; at most {percent(clusters.WRONG_AT_MOST)} is asked. "
        "Covered: by the 95 % interval of the ratio. Smallest visible: the median. Rows that count rounds show what "
        "happens when launches are not told apart; the rule of `fastopt.bench.verdicts` counts launches.",
        "",
        "| counts | pairs | launches x rounds | s_w | s_b / s_w | true difference | wrong | found | equal "
        "| cannot tell | covered | smallest visible | |",
        "|---" * 13 + "|",
    ]
    lines += [verdict_line(row) for row in record["verdicts"]]
    for counts, by_launch in (("rounds", False), ("launches", True)):
        rows = [row for row in record["verdicts"] if row["by_launch"] is by_launch]
        out = sum(row["wrong"] > clusters.WRONG_AT_MOST for row in rows)
        lines += [
            "",
            f"Of {len(rows)} rows that count {counts}, {out} are out; the worst is wrong in "
            f"{percent(max(row['wrong'] for row in rows))}.",
        ]
    return "\n".join(lines) + "\n"


def interval_summary(rule: str, rows: list[dict[str, Any]]) -> str:
    """Return what the rows of one rule say, as a paragraph."""
    counts = Counter(row["says"] for row in rows if row["rule"] == rule)
    return f"`{rule}`: " + ", ".join(f"{count} rows: {says}" for says, count in counts.most_common()) + ".\n"


def verdict_line(row: dict[str, Any]) -> str:
    """Return one line of the table of verdicts."""
    remarks = []
    if row["candidate_scale"] != 1.0:
        remarks.append(f"candidates scatter {row['candidate_scale']:g} times as far as twins")
    if row["uneven"]:
        remarks.append("scatter differs between comparisons, log-normal with sd 1")
    if row["wrong"] > clusters.WRONG_AT_MOST:
        remarks.append("OUT")
    cells = [
        "launches" if row["by_launch"] else "rounds",
        str(row["pairs"]),
        f"{row['launches']} x {row['rounds']}",
        percent(row["noise"]),
        f"{row['launch_to_round']:g}",
        percent(row["difference"]),
        *(percent(row[key]) for key in ("wrong", "found", "equal", "undecided", "covered", "smallest_visible")),
        "; ".join(remarks),
    ]
    return f"| {' | '.join(cells)} |"


def percent(share: float | None) -> str:
    """Return a share in per cent, to a tenth; nothing for none."""
    return "" if share is None else f"{100 * share:.1f} %"


if __name__ == "__main__":
    sys.exit(main())
