"""The speed table: `python benchmarks/speed.py --out reports/speed` writes speed.json, every sample, and speed.md.

Contenders are interleaved in processes of their own (`fastopt.bench.interleave`). Run it alone on the machine: PyTorch
and our parallel backend wait for each other's threads, and a third program on the same cores multiplies their time.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from fastopt.bench import contenders
from fastopt.bench.contenders import Case
from fastopt.bench.contenders.epoch_case import EpochCase
from fastopt.bench.contenders.update_case import UpdateCase
from fastopt.bench.contenders.updates import Ceiling
from fastopt.bench.interleave import TIMED, compare, interval_record
from fastopt.bench.machine import environment
from fastopt.errors import ConfigError, FastoptError, StoreError, unknown_name

SCHEMA_VERSION = 2

# An interval whose ends are further apart than this factor gets no verdict: on a busy machine a peer that waits for its
# threads can take a hundred times as long, and a target would be met for that.
NOISY = 1.5


class Target(NamedTuple):
    """`peer` shall take at least `factor` times as long as we do: as the contender `ours`, or as our row if None."""

    peer: str
    factor: float
    ours: str | None = None


# Epochs of an mlp 784-128-10, by batch size: rows, enough for an epoch of some steps and few enough that PyTorch's at
# batch size 1 takes seconds; and the target against PyTorch. No batch size shall be slower than a JAX scan.
EPOCHS = {
    1: (6_000, 8.0),
    8: (30_000, None),
    32: (60_000, 4.0),
    128: (60_000, None),
    512: (60_000, 1.8),
    4096: (60_000, 1.6),
}
# Epochs of a logistic regression, 512 rows of 20 features: targets against PyTorch, JAX and scikit-learn's plain SGD.
LOGISTIC = {"model": "logistic", "n_features": 20, "n_classes": 2}
LOGISTIC_TARGETS = {
    1: {"torch eager": 1000.0, "jax scan": 15.0, "scikit-learn sgd": 1.2},
    32: {"torch eager": 100.0, "jax scan": 6.0},
    512: {"torch eager": 10.0, "jax scan": 4.0},
}
# Targets of an update of so many elements: against PyTorch, and, for Adam, against DeepSpeed.
UPDATE_TARGETS = {"1e3": (15.0, 8.0), "1e5": (4.0, 2.5), "1e6": (1.8, 1.0), "5e7": (1.0, 1.0)}
LARGE = ("5e7",)


def planned(threads: int, large: bool) -> dict[str, tuple[Case, tuple[Target, ...]]]:
    """Return the cases of the table by name, each with its targets."""
    cases: dict[str, tuple[Case, tuple[Target, ...]]] = {}
    for optimizer in ("adam", "momentum", "rmsprop"):
        for size, (torch, deepspeed) in UPDATE_TARGETS.items():
            if size in LARGE and not large:
                continue
            targets = [Target("torch foreach" if optimizer == "rmsprop" else "torch fused", torch)]
            if optimizer == "adam":
                targets.append(Target("deepspeed", deepspeed))
            cases[f"{optimizer}-{size}"] = UpdateCase(optimizer, int(float(size)), threads=threads), tuple(targets)
    cases["adam-300x1e3"] = (
        UpdateCase("adam", 300_000, n_tensors=300, threads=threads),
        (Target("torch fused", 20.0, "fastopt flat"), Target("torch fused", 5.0, "fastopt list")),
    )
    for batch_size, (rows, torch_factor) in EPOCHS.items():
        asked = [Target("jax scan", 1.0), *([Target("torch eager", torch_factor)] if torch_factor else [])]
        cases[f"epoch-{batch_size}"] = EpochCase("adam", batch_size, rows, threads=threads), tuple(asked)
    for batch_size, factors in LOGISTIC_TARGETS.items():
        case = EpochCase("adam", batch_size, 512, threads=threads, **LOGISTIC)
        cases[f"logistic-{batch_size}"] = case, tuple(Target(peer, factor) for peer, factor in factors.items())
    return cases


def ours(case: Case) -> str:
    """Return the contender that stands for us, fixed before anything is timed.

    One array: what `backend="auto"` takes; several: those laid into one by `fastopt.flatten`.
    """
    from fastopt.optimizers.crossover import parallel_from

    if not isinstance(case, UpdateCase):
        return "fastopt"
    if case.n_tensors > 1:
        return "fastopt flat"
    return "fastopt parallel" if case.n >= parallel_from() and case.threads > 1 else "fastopt serial"


def measure(
    name: str, case: Case, targets: Sequence[Target], rounds: int, min_block_s: float, seed: int
) -> dict[str, Any]:
    """Compare all contenders made for `case` and return the record, with ratios to ours and those of the targets."""
    comparison = compare(contenders.menu_for(case), case, rounds, min_block_s, seed, baseline=ours(case))
    judged = []
    for target in targets:
        standing = target.ours or comparison.baseline
        ratio = interval_record(comparison.ratio(target.peer, standing))
        judged.append({"peer": target.peer, "factor": target.factor, "ours": standing, "ratio": ratio})
    return {"name": name, "targets": judged, **comparison.record()}


# --- The page: from the record alone -----------------------------------------------------------------------------


def page(record: dict[str, Any]) -> str:
    """Return the Markdown page of a record: the ratios with their verdicts, then every contender's time."""
    machine = record["environment"]
    cpu, load = machine["cpu"], machine["load"][0]
    lines = [
        "# Speed",
        "",
        f"{cpu['model']}, {cpu['usable_cores']} cores, {record['threads']} threads for every contender, float32. "
        f"{record['rounds']} rounds, contenders in random order, each in a process of its own; blocks of at least "
        f"{record['min_block_s']:g} s. Load when it began: {load:.2f}. Measured {record['created']}.",
        "",
        "A ratio says how many times longer the peer takes than we do: the median over rounds, with its 95 % interval. "
        "The best peer is the one with the lowest median.",
        "",
        "Momentum is heavy ball on all sides. Our row is the backend that `auto` takes; for several tensors, the "
        "arrays laid into one by `fastopt.flatten`. torch fused direct is the kernel of torch fused without the Python "
        "of `torch.optim`; optax is jitted, with parameters and state donated; deepspeed is `DeepSpeedCPUAdam`. The "
        "ceiling is the bare traffic of the step: as many arrays, read and written by a loop that does next to "
        "nothing, timed in the same rounds. Our share of it is its time over ours.",
        "",
        "| case | ours | per step | share of the ceiling | best peer | ratio |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_headline(entry) for entry in record["comparisons"]]
    lines += [
        "",
        "## Targets",
        "",
        "A target is met where the whole interval of the ratio lies at or above it, missed where it lies below; else "
        f"this run cannot tell. An interval whose ends are more than {NOISY:g} times apart is too noisy for a verdict.",
        "",
        "| case | ours | named peer | ratio | target |",
        "|---|---|---|---|---|",
    ]
    for entry in record["comparisons"]:
        lines += [_target(entry, target) for target in entry["targets"]]
    lines += [
        "",
        "## Every contender",
        "",
        "| case | contender | per step | 95 % interval | GB/s | ratio to ours | put off the processor | remark |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in record["comparisons"]:
        lines += [_line(entry, row) for row in entry["rows"]]
    return "\n".join(lines) + "\n"


def _headline(entry: dict[str, Any]) -> str:
    rows = {row["contender"]: row for row in entry["rows"]}
    mine = rows[entry["baseline"]]
    timed = [row for name, row in rows.items() if row["status"] == TIMED and _is_peer(name)]
    best = min(timed, key=lambda row: row["unit_s"]["median"], default=None)
    return _cells(
        entry["name"],
        mine["contender"],
        _per_step(entry, mine),
        _share(rows[Ceiling.name]["ratio_to_baseline"]) if Ceiling.name in rows else "",
        best["contender"] if best else "none",
        _ratio(best["ratio_to_baseline"]) if best else "",
    )


def _is_peer(name: str) -> bool:
    return not name.startswith("fastopt") and name != Ceiling.name


def _target(entry: dict[str, Any], target: dict[str, Any]) -> str:
    ratio = target["ratio"]
    return _cells(entry["name"], target["ours"], target["peer"], _ratio(ratio), _verdict(ratio, target["factor"]))


def _line(entry: dict[str, Any], row: dict[str, Any]) -> str:
    low, high = (_time(entry, row["unit_s"][bound]) for bound in ("low", "high"))
    switches = sum(sample["involuntary_switches"] for sample in row["samples"])
    return _cells(
        entry["name"],
        row["contender"],
        _per_step(entry, row),
        f"{low} to {high}" if low and high else "",
        _bandwidth(entry, row),
        _ratio(row["ratio_to_baseline"]),
        f"{switches} times" if row["samples"] else "",
        "" if row["status"] == TIMED else f"{row['status']}: {row['reason']}",
    )


def _cells(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _per_step(entry: dict[str, Any], row: dict[str, Any]) -> str:
    return _time(entry, row["unit_s"]["median"]) if row["status"] == TIMED else row["status"]


def _time(entry: dict[str, Any], unit_s: float | None) -> str:
    """Write seconds per unit as a time per step."""
    if unit_s is None:
        return ""
    seconds = unit_s / entry["steps_per_unit"]
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def _bandwidth(entry: dict[str, Any], row: dict[str, Any]) -> str:
    """Write the least traffic of a step over its time; an epoch's steps do more than the update that is counted."""
    if row["status"] != TIMED or entry["case"]["kind"] != UpdateCase.kind:
        return ""
    return f"{entry['bytes_per_step'] * entry['steps_per_unit'] / row['unit_s']['median'] / 1e9:.3g}"


def _share(interval: dict[str, float | None]) -> str:
    """Write a ratio to ours as the share of the ceiling that we reach."""
    median, low, high = (interval[key] for key in ("median", "low", "high"))
    if median is None:
        return ""
    return f"{median:.0%}" + (
        f" ({low:.0%} to {high:.0%})" if low is not None and high is not None else " (no interval)"
    )


def _ratio(interval: dict[str, float | None]) -> str:
    median, low, high = (interval[key] for key in ("median", "low", "high"))
    if median is None:
        return ""
    return f"{median:.2f}" + (
        f" ({low:.2f} to {high:.2f})" if low is not None and high is not None else " (no interval)"
    )


def _verdict(interval: dict[str, float | None], target: float) -> str:
    low, high = interval["low"], interval["high"]
    if low is None or high is None:
        return f"{target:g}: cannot tell"
    if high > NOISY * low:
        return f"{target:g}: too noisy"
    return f"{target:g}: " + ("met" if low >= target else "missed" if high < target else "cannot tell")


# --- The command ---------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"speed.py: error: {message} (--help lists the options)\n")


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="speed.py", description=(__doc__ or "").split("\n", 1)[0], allow_abbrev=False)
    parser.add_argument("--out", type=Path, required=True, help="folder for speed.json and speed.md")
    parser.add_argument("--only", metavar="NAME,...", help="only these cases; --list prints the names")
    parser.add_argument(
        "--rounds", type=int, default=12, help="blocks of each contender (default 12; 6 for an interval)"
    )
    parser.add_argument("--min-block", type=float, default=0.05, metavar="S", help="least seconds of a block (0.05)")
    parser.add_argument("--threads", type=int, default=2, help="threads of every contender (default 2)")
    parser.add_argument("--seed", type=int, default=0, help="of the order of contenders (default 0)")
    parser.add_argument("--large", action="store_true", help="with 5e7 elements too: 2 GB of memory, half an hour")
    parser.add_argument("--replace", action="store_true", help="write over a speed.json that is there")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and stop")
    if "--list" in argv:
        argv = [*argv, "--out", "."]
    return parser.parse_args(argv)


def run(options: argparse.Namespace, command: str) -> None:
    """Measure what `options` ask for; both files are written anew after each case."""
    cases = planned(options.threads, options.large)
    if options.list:
        print("\n".join(cases))
        return
    names = options.only.split(",") if options.only else list(cases)
    for name in names:
        if name not in cases:
            raise unknown_name("case", name, cases)
    if options.rounds < 1 or not 0 < options.min_block < float("inf"):
        raise ConfigError(f"--rounds and --min-block must be positive, got {options.rounds} and {options.min_block}")
    target_file = options.out / "speed.json"
    if target_file.exists() and not options.replace:
        raise StoreError(f"{target_file} is there already: choose another --out, or add --replace")
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "environment": environment(),
        "threads": options.threads,
        "rounds": options.rounds,
        "min_block_s": options.min_block,
        "seed": options.seed,
        "comparisons": [],
    }
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder {options.out}: {error.strerror}") from error
    if os.getloadavg()[0] > 0.5:
        print(
            f"the load is {os.getloadavg()[0]:.1f}: something else is running, times will be too long", file=sys.stderr
        )
    for number, name in enumerate(names, start=1):
        start = time.monotonic()
        case, targets = cases[name]
        record["comparisons"].append(measure(name, case, targets, options.rounds, options.min_block, options.seed))
        _write(options.out / "speed.md", page(record))
        _write(target_file, json.dumps(record, indent=1, allow_nan=False) + "\n")
        print(
            f"{number} of {len(names)}, {time.monotonic() - start:.0f} s: {_headline(record['comparisons'][-1])}",
            flush=True,
        )


def _write(path: Path, text: str) -> None:
    """Put `text` in the place of what `path` held, so that an interruption leaves one or the other, whole."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 2 for bad input, 130 after Ctrl-C."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        run(_options(argv), shlex.join(["python", "benchmarks/speed.py", *argv]))
    except FastoptError as error:
        print(f"speed.py: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the cases that were done are in the files", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
