"""`fastopt info`: what this machine is, what disturbs measurements on it, and what it can do at best."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # heavy imports stand where they are used: `fastopt --help` answers at once
    from rich.console import Console
    from rich.table import Table

Row = tuple[str, str]

# Share of the time it took to measure from which on other processes have disturbed it.
MOST_LOST = 0.05


def add_info(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fastopt info`."""
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    parser.add_argument("--measure", action="store_true", help="measure what the machine can do at best: 20 seconds")


def run(options: argparse.Namespace) -> int:
    """Print the facts, measured ones on demand, and return the exit code."""
    from fastopt.bench.machine import environment

    facts = environment()
    if options.measure:
        from fastopt.bench import ceilings

        facts["ceilings"] = ceilings.measured(facts["threads"]["numba"])
    if options.json:
        json.dump(facts, sys.stdout, indent=2, allow_nan=False)
        print()
        return 0
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    console.print(_grid([*_on_machine(facts), *_on_software(facts)]))
    if "ceilings" in facts:
        _print_ceilings(facts["ceilings"], console)
    console.print()
    for sentence in facts["advice"]:
        console.print(_grid([("advice", sentence)], "yellow"))
    if not facts["advice"]:
        console.print("nothing to advise")
    return 0


def _on_machine(facts: dict[str, Any]) -> Iterator[Row]:
    from fastopt.report.numbers import count, memory

    cpu, system, container = facts["cpu"], facts["system"], facts["container"]
    yield "CPU", f"{cpu['model']}, {cpu['architecture']}, {cpu['vector']}"
    smt = {None: "SMT unknown", True: "SMT on", False: "no SMT"}[cpu["smt"]]
    yield "cores", f"{cpu['usable_cores']} usable of {cpu['cores']}, {_known(cpu['physical_cores'])} physical, {smt}"
    yield "caches", ", ".join(f"{level} {size}" for level, size in cpu["caches"].items()) or "unknown"
    speed = [f"{name} {hertz / 1e9:.2f} GHz" for name, hertz in cpu["frequency_hz"].items() if hertz is not None]
    boost = {None: "unknown", True: "on", False: "off"}[cpu["boost"]]
    yield "frequency", ", ".join([*speed, f"governor {_known(cpu['governor'])}", f"boost {boost}"])
    free = facts["memory_available_bytes"]
    yield "memory", memory(facts["memory_bytes"]) + ("" if free is None else f", {memory(free)} free")
    virtual = system["virtual_machine"]
    under = "no virtual machine seen" if virtual is None else f"virtual machine ({virtual})"
    nodes = "NUMA nodes unknown" if system["numa_nodes"] is None else count(system["numa_nodes"], "NUMA node")
    yield "system", f"{facts['platform']}, {under}, {nodes}"
    yield "kernel", f"clock {_known(system['clock_source'])}, huge pages {_known(system['huge_pages'])}"
    limits = [
        *([] if container["cpus"] is None else [f"{container['cpus']:g} CPUs"]),
        *([] if container["memory_bytes"] is None else [memory(container["memory_bytes"])]),
        *([] if container["cpuset"] is None else [f"processors {container['cpuset']}"]),
    ]
    yield "container", f"{container['kind'] or 'none seen'}; limits: {', '.join(limits) or 'none'}"
    devices = [f"{gpu['name']}, driver {gpu['driver']}, {_size(gpu['memory_bytes'])}" for gpu in facts["gpu"] or ()]
    yield "GPU", "; ".join(devices) or "none"
    yield "load", ", ".join(f"{load:.2f}" for load in facts["load"]) + " over 1, 5 and 15 minutes"


def _on_software(facts: dict[str, Any]) -> Iterator[Row]:
    git, threads = facts["git"], facts["threads"]
    commit = "" if git is None else f", commit {git['commit'][:10]}{' and changes' if git['dirty'] else ''}"
    yield "fastopt", f"{facts['fastopt']}{commit}"
    yield "Python", f"{facts['python']}, LLVM {facts['llvm']}"
    yield "versions", ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    yield "threads", f"{threads['numba']} of Numba, threading layer {threads['layer']}"
    for found in facts["blas"]:
        believed = f"believes it runs on {_known(found['architecture'])}"
        yield "BLAS", f"{found['library']} {found['version']}, {_threads(found['num_threads'])}, {believed}"
    yield "variables", ", ".join(f"{name}={value}" for name, value in facts["variables"].items()) or "none"


def _print_ceilings(found: dict[str, Any], console: Console) -> None:
    from fastopt.report.numbers import duration

    def spread(value: dict[str, float]) -> str:
        return f"{duration(value['median'])} ({duration(value['min'])} to {duration(value['max'])})"

    rows = [("timer", f"resolution {spread(found['timer']['resolution_s'])}")]
    rows.append(("", f"two readings {spread(found['timer']['pair_s'])}"))
    rows += [("call", f"with {name} {spread(value)}") for name, value in found["call_s"].items()]
    for threads, value in found["parallel_region_s"].items():
        rows.append(("region", f"{_threads(threads)}, {found['layer']} {spread(value)}"))
    console.print(f"\nMeasured in {found['took_s']:.0f} s: the median of repeated blocks (lowest to highest)")
    console.print(_grid(rows))
    lost_s = (found["others_s"] or 0.0) + (found["steal_s"] or 0.0)
    if lost_s > MOST_LOST * found["took_s"]:
        sentence = f"others took {duration(lost_s)} of the processors' time meanwhile: measure again when they are idle"
        console.print(_grid([("disturbed", sentence)], "yellow"))
    console.print("\nMatrix products, GFLOP/s")
    console.print(_products(found["products"]))
    console.print("\nMemory traffic of a step over float32 arrays with 0, 1 and 2 state arrays, GB/s")
    console.print(_bandwidth(found["bandwidth"]))


def _products(found: list[dict[str, Any]]) -> Table:
    dtypes = sorted({row["dtype"] for row in found})
    rates: dict[str, dict[str, str]] = {}
    for row in found:
        name = f"{row['who']} {' x '.join(str(part) for part in row['shape'])}, {_threads(row['threads'])}"
        rates.setdefault(name, {})[row["dtype"]] = _billions(row["flop_per_s"])
    table = _table("", *dtypes)
    for name, by_dtype in rates.items():
        table.add_row(name, *(by_dtype[dtype] for dtype in dtypes))
    return table


def _bandwidth(found: list[dict[str, Any]]) -> Table:
    states = sorted({row["n_states"] for row in found})
    rates: dict[tuple[int, int], dict[int, str]] = {}
    for row in found:
        rates.setdefault((row["threads"], row["n"]), {})[row["n_states"]] = _billions(row["bytes_per_s"])
    table = _table("elements", "threads", *(f"{n} state" for n in states))
    for (threads, n), by_states in sorted(rates.items()):
        table.add_row(f"{n:,}", str(threads), *(by_states[count] for count in states))
    return table


def _grid(rows: list[Row], style: str = "") -> Table:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=9)
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(Text(name, style="bold"), Text(text, style=style))
    return grid


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for k, name in enumerate(columns):
        table.add_column(name, justify="right" if k else "left")
    return table


def _billions(value: dict[str, float]) -> str:
    return f"{value['median'] / 1e9:.3g}"


def _threads(count: int | str) -> str:
    return f"{count} thread{'' if int(count) == 1 else 's'}"


def _known(value: object) -> str:
    return "unknown" if value is None else str(value)


def _size(n_bytes: int | None) -> str:
    from fastopt.report.numbers import memory

    return "memory unknown" if n_bytes is None else memory(n_bytes)
