"""How long does the page of a large study take? `python benchmarks/proofs/page.py reports/batch-size --out DIR`

The runs of a recorded study towards a goal, with their curves, are written again and again under other seeds and rates
until a store holds `RECORDS` runs; then `fastopt report` makes its page in a process of its own. Asked for: under 20 s
and under 1 GB of memory at 20 000 runs. Writes page.json and page.md. About a minute.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wording import words

from fastopt import records
from fastopt.bench.machine import environment
from fastopt.errors import FastoptError
from fastopt.report.numbers import duration, memory

RECORDS = 20_000
MOST_S, MOST_BYTES = 20.0, 1e9


def copies(found: records.Records, n: int) -> Iterator[tuple[dict[Any, Any], list[dict[Any, Any]]]]:
    """Yield `n` runs with their curves: those of a study, then the same with other names, seeds and rates."""
    runs = found.runs.astype(object).where(found.runs.notna(), None).to_dict("records")
    columns = found.curves.astype(object).where(found.curves.notna(), None)
    curves = {run_id: looks.to_dict("records") for run_id, looks in columns.groupby("run_id", sort=False)}
    for number in range(n):
        copy, place = divmod(number, len(runs))
        run = runs[place]
        other = {"run_id": f"{run['run_id']}-{copy}", "learning_rate": run["learning_rate"] * (1.0 + 1e-3 * copy)}
        seed = int(run["seed"]) + 1_000 * copy
        looks = [{**look, "run_id": other["run_id"]} for look in curves.get(run["run_id"], [])]
        yield {**run, **other, "seed": seed}, looks


def store(found: records.Records, folder: Path, n: int) -> int:
    """Write a store of `n` runs and the timings of the study; return how many evaluations are in it."""
    looks = 0
    folder.mkdir()
    with contextlib.closing(records.Writer(folder)) as writer:
        config = {**found.meta["config"], "seeds": sorted({int(seed) for seed in found.runs["seed"]})}
        facts = {name: value for name, value in found.meta.items() if name not in ("schema_version", "config")}
        writer.meta(**facts, config=config)
        writer.timing(*found.timings.astype(object).where(found.timings.notna(), None).to_dict("records"))
        for run, curve in copies(found, n):
            writer.run(run, curve)
            looks += len(curve)
    return looks


def proof(study: Path, n: int) -> dict[str, Any]:
    """Return what the page of a store of `n` runs took."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "large"
        looks = store(records.read(study), folder, n)
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "fastopt", "report", str(folder)], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        most = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # of the only child, in bytes on Linux
        sizes = {name: os.path.getsize(folder / name) for name in (records.FILE_NAME, "report.html")}
    return {
        "runs": n,
        "evaluations": looks,
        "seconds to the page": seconds,
        "most memory in bytes": most,
        "bytes": sizes,
        "held": seconds < MOST_S and most < MOST_BYTES,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write what came of it; returns 1 if it took more than was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("study", type=Path, help="the folder of a study towards a goal")
    parser.add_argument("--out", type=Path, required=True, help="folder for page.json and page.md")
    parser.add_argument("--records", type=int, default=RECORDS, help="runs in the store (default: %(default)s)")
    options = parser.parse_args(argv)
    try:
        found = proof(options.study, options.records)
    except FastoptError as error:
        print(f"page: {error}", file=sys.stderr)
        return 2
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    record = {"created": created, **found, "environment": environment()}
    lines = [
        "# How long does the page of a large study take?",
        "",
        f"{found['runs']:,} runs with {found['evaluations']:,} evaluations: {duration(found['seconds to the page'])}, "
        f"{memory(found['most memory in bytes'])} of memory at most (asked for: under {MOST_S:.0f} s and "
        f"{memory(MOST_BYTES)}). The store takes {memory(found['bytes'][records.FILE_NAME])}, the page "
        f"{memory(found['bytes']['report.html'])}.",
        "",
        f"Measured {created} on {words(record['environment']['cpu']['model'])}.",
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "page.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (options.out / "page.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return int(not found["held"])


if __name__ == "__main__":
    sys.exit(main())
