"""`fastopt selftest`: the instrument checks itself, in under two minutes."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # heavy imports stand where they are used: `fastopt --help` answers at once
    from collections.abc import Iterator

    from fastopt.bench.selftest import Check


def add_selftest(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fastopt selftest`."""
    parser.add_argument("--threads", type=int, metavar="N", help="of the processes that are looked at (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def run(options: argparse.Namespace) -> int:
    """Run every check, and return 0 if all passed, else 1."""
    from rich.console import Console

    console = Console()
    found = []
    for check in checks(options.threads):
        found.append(check)
        if not options.json:
            mark = "[green]passed[/]" if check.passed else "[bold red]FAILED[/]"
            console.print(f"{mark}  {check.seconds:5.1f} s  [bold]{check.name}[/]", highlight=False)
            console.print(f"        {check.said}", highlight=False, markup=False)
    if options.json:
        print(json.dumps(record(found), indent=2))
    elif not all(check.passed for check in found):
        console.print("leave the machine alone and try again; what fails then is the machine, its settings, or fastopt")
    return 0 if all(check.passed for check in found) else 1


def checks(threads: int | None) -> Iterator[Check]:
    """Yield one check after another: settings first, then the driver against theory, then what was planted."""
    from fastopt.bench.machine import usable_cores
    from fastopt.bench.selftest import planted, quadratic, settings

    yield from settings.checks(usable_cores() if threads is None else threads)
    yield quadratic.check()
    yield planted.check()


def record(found: list[Check]) -> list[dict[str, Any]]:
    """Return checks as JSON-able dicts."""
    return [check._asdict() for check in found]
