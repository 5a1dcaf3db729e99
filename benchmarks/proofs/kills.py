"""Does a study that is killed lose or double anything? `python benchmarks/proofs/kills.py --out reports/proofs`

A study towards a goal on digits runs undisturbed once; then again and again in fresh folders, killed (SIGKILL) at
random moments and resumed, until it has been killed `KILLS` times in all; each is resumed to its end at last. Asked
for: its runs and curves are those of the undisturbed study, none missing, none twice, and every cell has every timing
round once. Writes kills.json and kills.md. Some minutes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from wording import words

from fastopt import records

KILLS, EACH = 50, 5  # in all, and of one study
LONGEST_S = 8.0
STUDY = [
    *("compare", "--goal", "train_loss=0.1", "--dataset", "digits", "--model", "mlp", "--hidden", "32"),
    *("--optimizers", "sgd,adam", "--batch-sizes", "8,32,128,512", "--seeds", "3", "--tune", "6"),
    *("--timing-rounds", "3", "--epochs", "40", "--transfer"),
]
CLOCKS = ("seconds",)


def fastopt(*arguments: str) -> subprocess.Popen[bytes]:
    """Begin a fastopt command."""
    return subprocess.Popen(
        [sys.executable, "-m", "fastopt", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finished(*arguments: str) -> None:
    """Carry out a fastopt command; raises RuntimeError, with what it said, if it fails."""
    process = fastopt(*arguments)
    _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"fastopt {' '.join(arguments)} ended with {process.returncode}: {errors.decode()}")


def killed(arguments: Sequence[str], after_s: float) -> bool:
    """Begin a command and kill it after so many seconds; return whether it had not ended by itself."""
    process = fastopt(*arguments)
    try:
        process.wait(timeout=after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    process.communicate()
    return False


def disturbed(folder: Path, rng: random.Random) -> list[float]:
    """Run a study that is killed `EACH` times, resume it to its end, and return when each kill came."""
    moments: list[float] = []
    command = [*STUDY, "--out", str(folder)]
    while len(moments) < EACH:
        after_s = rng.uniform(0.0, LONGEST_S)
        if killed(command, after_s):
            moments.append(after_s)
        command = resumed(folder)
    finished(*command)
    return moments


def resumed(folder: Path) -> list[str]:
    """Return the command that goes on with a study, or begins it where it was killed before its settings were there."""
    if (folder / "study.toml").exists():
        return ["compare", "--resume", str(folder)]
    for left in folder.glob(".study.toml.part"):
        left.unlink()
    return [*STUDY, "--out", str(folder)]


def content(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, dict[Any, int]]:
    """Return the runs and curves without clocks, in an order of their own, and the timed blocks of each cell."""
    found = records.read(folder)
    runs = found.runs.drop(columns=list(CLOCKS)).sort_values("run_id", ignore_index=True)
    curves = found.curves.drop(columns=list(CLOCKS)).sort_values(["run_id", "point"], ignore_index=True)
    blocks = found.timings.groupby(["optimizer", "batch", "round", "left_out"]).size().to_dict()
    return runs, curves, blocks


def proof(kills: int, seed: int) -> dict[str, Any]:
    """Return what became of all studies; they lie in a folder of their own, which goes at the end."""
    rng, moments, unlike = random.Random(seed), [], 0
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        finished(*STUDY, "--out", str(whole))
        runs, curves, blocks = content(whole)
        for number in range(kills // EACH):
            folder = Path(place) / f"{number}"
            moments += disturbed(folder, rng)
            again = content(folder)
            same = runs.equals(again[0]) and curves.equals(again[1]) and blocks == again[2]
            unlike += not same
            print(f"study {number + 1}: killed {len(moments)} times in all, records {'equal' if same else 'UNLIKE'}")
    return {
        "kills": len(moments),
        "studies": kills // EACH,
        "seconds after the start": [min(moments), max(moments)],
        "runs of each": len(runs),
        "evaluations of each": len(curves),
        "studies with other records than the undisturbed one": unlike,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Kill and compare, and write what came of it; returns 1 if any records differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for kills.json and kills.md")
    parser.add_argument("--kills", type=int, default=KILLS, help="in all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=round(time.time()), help="of the moments (default: the time)")
    options = parser.parse_args(argv)
    record = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seed": options.seed,
        **proof(options.kills, options.seed),
    }
    lines = ["# Does a study that is killed lose or double anything?", "", "`fastopt " + " ".join(STUDY) + "`", ""]
    lines += [f"- {name}: {words(value)}" for name, value in record.items()]
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "kills.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        (options.out / "kills.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        print(f"kills: cannot write to {options.out}: {error.strerror}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return int(record["studies with other records than the undisturbed one"] > 0)


if __name__ == "__main__":
    sys.exit(main())
