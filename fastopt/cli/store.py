"""`fastopt status` and `fastopt export`: what a study has recorded so far, and its tables as files."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_status(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fastopt status`."""
    parser.add_argument("folder", metavar="DIR", help="the --out folder of a comparison")


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fastopt export`."""
    add = parser.add_argument
    add("folder", metavar="DIR", help="the --out folder of a comparison")
    add("--parquet", action="store_true", help="Parquet files instead of CSV")
    add("--out", metavar="DIR", help="where they go (default: DIR itself)")


def status(options: argparse.Namespace) -> int:
    """Print how far a study is, and return the exit code."""
    from fastopt import records
    from fastopt.study.folder import is_held

    place = Path(options.folder)
    found = records.read(place)
    runs, meta = found.runs, found.meta
    state = meta.get("status", "begun")
    if state == "running" and not is_held(place):
        state = f"killed: fastopt compare --resume {place} goes on with it"
    print(f"{place}: {state}")
    config = meta.get("config") or {}
    cells = len(config.get("optimizers") or ()) * len(config.get("batch_sizes") or ())
    wanted = len(config.get("seeds") or ())
    for phase in ("search", "confirm", "final", "transfer"):
        if phase == "transfer" and not config.get("transfer"):
            continue
        ended = runs[runs["phase"] == phase]["status"].value_counts()
        listed = ", ".join(f"{number} {name}" for name, number in ended.items())
        print(f"  {phase}: {int(ended.sum())} runs{f' ({listed})' if listed else ''}")
    finals = runs[runs["phase"] == "final"].groupby(["optimizer", "batch"]).size()
    print(f"  {int((finals >= wanted).sum())} of {cells} cells have their {wanted} final runs")
    rounds = found.timings["round"].max() if len(found.timings) else 0
    print(f"  {int(rounds)} of {config.get('timing_rounds', 0)} timing rounds")
    return 0


def export(options: argparse.Namespace) -> int:
    """Write the tables of a study as files, print their names, and return the exit code."""
    from fastopt import records
    from fastopt.errors import StoreError
    from fastopt.report.tables import TableFormat, check_format, write_frames

    table_format: TableFormat = "parquet" if options.parquet else "csv"
    check_format(table_format)
    found = records.read(options.folder)
    target = Path(options.out or options.folder)
    frames = {"runs": found.runs, "curves": found.curves, "timings": found.timings}
    try:
        target.mkdir(parents=True, exist_ok=True)
        written = write_frames(frames, target, table_format)
    except OSError as error:
        raise StoreError(
            f"cannot write tables into {target}: {error.strerror}; name another folder with --out"
        ) from error
    for path in written:
        print(path)
    return 0
