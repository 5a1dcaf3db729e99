"""How fast are an order and a gathered batch? `python benchmarks/shuffle.py --out reports/shuffle`

Orders of 1e3 to 1e7 rows against NumPy's and PyTorch's, on one thread; batches of rows of 3 KB in random order out of
188 MB against NumPy, PyTorch and the contiguous copy of as many bytes, on one thread and on all. Contenders are
interleaved in processes of their own (`fastopt.bench.interleave`). Run it alone on the machine; some five minutes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from fastopt.bench import contenders
from fastopt.bench.contenders import Case
from fastopt.bench.contenders.gathers import GatherCase
from fastopt.bench.contenders.orders import OrderCase
from fastopt.bench.interleave import TIMED, Comparison, compare, interval_record
from fastopt.bench.machine import environment, usable_cores
from fastopt.errors import FastoptError, StoreError, unknown_name

OURS = "fastopt"
# Every peer of a case shall take at least so many times as long as we do; the contiguous copy may take 85 % of it.
ORDER_TARGETS = {"1e3": {}, "6e4": {"numpy": 5.0, "torch": 2.5}, "1e6": {}, "1e7": {"numpy": 2.5}}
GATHER_TARGETS = {512: {"ceiling": 0.85}, 32: {}}
# Below six rounds there is no 95 % interval.
ROUNDS, MIN_BLOCK_S = 12, 0.05


def planned(threads: int) -> dict[str, tuple[Case, Mapping[str, float]]]:
    """Return the cases by name, each with what each peer's time over ours shall be at least."""
    cases: dict[str, tuple[Case, Mapping[str, float]]] = {}
    for rows, targets in ORDER_TARGETS.items():
        cases[f"order-{rows}"] = OrderCase(int(float(rows)), threads=1), targets
    for count in sorted({1, threads}):
        for batch_size, targets in GATHER_TARGETS.items():
            name = f"gather-{batch_size}" + (f"-{count}-threads" if count > 1 else "")
            cases[name] = GatherCase(batch_size, threads=count), targets
    return cases


def record_of(name: str, comparison: Comparison, targets: Mapping[str, float]) -> dict[str, Any]:
    """Return the record of one case, with the ratios of its targets."""
    judged = [
        {"peer": peer, "factor": factor, "ratio": interval_record(comparison.ratio(peer, OURS))}
        for peer, factor in targets.items()
    ]
    return {"name": name, "targets": judged, **comparison.record()}


# --- The page: from the record alone ----------------------------------------------------------------------------------


def page(record: dict[str, Any]) -> str:
    """Return the Markdown page of a record."""
    cpu, load = record["environment"]["cpu"], record["environment"]["load"][0]
    lines = [
        "# Orders and gathered batches",
        "",
        f"{cpu['model']}, {cpu['usable_cores']} cores. {record['rounds']} rounds, contenders in random order, each in "
        f"a process of its own; blocks of at least {record['min_block_s']:g} s. Load when it began: {load:.2f}. "
        f"Measured {record['created']}.",
        "",
        "A ratio says how many times longer the other takes than we do: the median over rounds with its 95 % interval. "
        "order: all rows once, in a new random order, one thread. gather: all batches of an epoch over 60 000 rows of "
        "784 float32, each copied to one and the same place; the ceiling copies as many bytes from contiguous pieces, "
        "with a single call of memcpy for each thread.",
        "",
        "| case | contender | time | per row | ratio to ours | target | remark |",
        "|---|---|--:|--:|---|---|---|",
    ]
    for entry in record["comparisons"]:
        targets = {target["peer"]: target for target in entry["targets"]}
        lines += [_line(entry, row, targets.get(row["contender"])) for row in entry["rows"]]
    lines += ["", f"Made by `{record['command']}`; every sample is in shuffle.json."]
    return "\n".join(lines) + "\n"


def _line(entry: dict[str, Any], row: dict[str, Any], target: dict[str, Any] | None) -> str:
    case, timed = entry["case"], row["status"] == TIMED
    seconds = row["unit_s"]["median"]
    cells = (
        entry["name"],
        row["contender"],
        _time(seconds) if timed else row["status"],
        f"{seconds / case.get('n_rows', case.get('n')) * 1e9:.3g} ns" if timed else "",
        _words(row["ratio_to_baseline"]),
        _verdict(target) if target else "",
        row["reason"],
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _time(seconds: float) -> str:
    scale, unit = next(((scale, unit) for scale, unit in ((1, "s"), (1e3, "ms")) if seconds * scale >= 1), (1e6, "µs"))
    return f"{seconds * scale:.3g} {unit}"


def _words(interval: dict[str, float | None]) -> str:
    if interval["median"] is None:
        return ""
    if interval["low"] is None:
        return f"{interval['median']:.2f} (no interval)"
    return f"{interval['median']:.2f} ({interval['low']:.2f} to {interval['high']:.2f})"


def _verdict(target: dict[str, Any]) -> str:
    """Met where the whole interval of the ratio lies at or above the target, missed where it lies below."""
    low, high, factor = target["ratio"]["low"], target["ratio"]["high"], target["factor"]
    if low is None:
        return f"{factor:g}: cannot tell"
    return f"{factor:g}: " + ("met" if low >= factor else "missed" if high < factor else "cannot tell")


# --- The command ------------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"shuffle.py: error: {message} (--help lists the options)\n")


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="shuffle.py", description=(__doc__ or "").split("\n", 1)[0], allow_abbrev=False)
    parser.add_argument("--out", type=Path, required=True, help="folder for shuffle.json and shuffle.md")
    parser.add_argument("--only", metavar="NAME,...", help="only these cases, such as order-6e4,gather-512")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="blocks of each contender (default: %(default)s)")
    parser.add_argument("--min-block", type=float, default=MIN_BLOCK_S, metavar="S", help="least seconds of a block")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="of the second gather (default: all cores)")
    parser.add_argument("--replace", action="store_true", help="write over a shuffle.json that is there")
    return parser.parse_args(argv)


def run(options: argparse.Namespace, command: str) -> None:
    """Measure what `options` ask for, then write both files."""
    cases = planned(options.threads)
    names = options.only.split(",") if options.only else list(cases)
    for name in names:
        if name not in cases:
            raise unknown_name("case", name, cases)
    target = options.out / "shuffle.json"
    if target.exists() and not options.replace:
        raise StoreError(f"{target} is there already: choose another --out, or add --replace")
    record: dict[str, Any] = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "environment": environment(),
        "rounds": options.rounds,
        "min_block_s": options.min_block,
        "comparisons": [],
    }
    for name in names:
        case, targets = cases[name]
        found = compare(contenders.menu_for(case), case, options.rounds, options.min_block, baseline=OURS)
        record["comparisons"].append(record_of(name, found, targets))
        print(f"{name}: " + ", ".join(f"{peer} {_words(_ratio(record, peer))}" for peer in _peers(record)), flush=True)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        target.with_suffix(".md").write_text(page(record), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write to {options.out}: {error.strerror}") from error


def _peers(record: dict[str, Any]) -> list[str]:
    return [row["contender"] for row in record["comparisons"][-1]["rows"] if row["contender"] != OURS]


def _ratio(record: dict[str, Any], peer: str) -> dict[str, float | None]:
    (row,) = (row for row in record["comparisons"][-1]["rows"] if row["contender"] == peer)
    ratio: dict[str, float | None] = row["ratio_to_baseline"]
    return ratio


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 2 for bad input."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        run(_options(argv), shlex.join(["python", "benchmarks/shuffle.py", *argv]))
    except FastoptError as error:
        print(f"shuffle.py: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
