"""`fastopt kernels`, `epochs`, `orders` and `gathers`: from flags to a request, its measurement and its page."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastopt.durations import seconds
from fastopt.errors import ConfigError

if TYPE_CHECKING:  # heavy imports stand where they are used: `fastopt --help` answers at once
    from fastopt.bench.protocol import Planned, Protocol
    from fastopt.bench.requests import Request
    from fastopt.measurements import Measurement


def add_kernels(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fastopt kernels`."""
    _add_optimizers(parser, "momentum,rmsprop,adam")
    add_common(parser, "1,2")
    _add_out(parser)
    add = parser.add_argument
    add("--sizes", default="1e3,1e4,1e5,1e6,1e7,1e8", metavar="N[,N...]", help="elements (default: %(default)s)")
    add("--tensors", type=int, default=300, metavar="N", help="beside them N arrays of 1 000, 0 for none (%(default)s)")
    add("--dtype", default="float32", metavar="NAME", help="float32 or float64 (default: %(default)s)")
    add("--hot-only", action="store_true", help="leave out the steps with flushed caches")


def add_epochs(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fastopt epochs`."""
    _add_optimizers(parser, "adam")
    add_common(parser, "2")
    _add_out(parser)
    add = parser.add_argument
    add("--batch-sizes", default="1,8,32,128,512,4096", metavar="N[,N...]", help="rows (default: %(default)s)")
    add("--model", default="mlp", metavar="NAME", help="mlp or logistic (default: %(default)s)")
    add("--hidden", default="128", metavar="N[,N...]", help="hidden widths of the mlp (default: %(default)s)")
    add("--dataset", default="random", metavar="NAME", help='a name of `fastopt list datasets`, or "random" (default)')
    add("--rows", type=int, metavar="N", help="of the data, at most (default: 60000, or 512 for logistic)")
    add("--features", type=int, metavar="N", help="of random data (default: 784, or 20 for logistic)")
    add("--classes", type=int, metavar="N", help="of random data (default: 10, or 2 for logistic)")


def add_orders(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fastopt orders`."""
    add_common(parser, "1")
    _add_out(parser)
    parser.add_argument("--sizes", default="1e3,6e4,1e6,1e7", metavar="N[,N...]", help="rows (default: %(default)s)")


def add_gathers(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fastopt gathers`."""
    add_common(parser, "1,2")
    _add_out(parser)
    add = parser.add_argument
    add("--batch-sizes", default="32,512", metavar="N[,N...]", help="rows of a batch (default: %(default)s)")
    add("--rows", type=int, default=60_000, metavar="N", help="of the data (default: %(default)s)")
    add("--features", type=int, default=784, metavar="N", help="numbers in a row (default: %(default)s)")
    add("--dtype", default="float32", metavar="NAME", help="float32 or float64 (default: %(default)s)")


def _add_optimizers(parser: argparse.ArgumentParser, default: str) -> None:
    names = "sgd, momentum, rmsprop, adam (default: %(default)s)"
    parser.add_argument("--optimizers", default=default, metavar="NAME[,NAME...]", help=names)


def add_common(parser: argparse.ArgumentParser, threads: str) -> None:
    """Add the arguments that all measurements have."""
    add = parser.add_argument
    add("--threads", default=threads, metavar="N[,N...]", help="of every contender (default: %(default)s)")
    add("--peers", default="all", metavar="NAME[,NAME...]", help="of `fastopt list peers`, all or none (%(default)s)")
    add("--baseline", metavar="NAME", help="the contender that ratios are to (default: ours)")
    add("--launches", type=int, metavar="N", help="how often all processes start anew (default: by the verdicts)")
    add("--rounds", type=int, default=3, metavar="N", help="within a launch (default: %(default)s)")
    add("--min-block", type=float, default=0.05, metavar="S", help="least seconds of a timed block (%(default)s)")
    add("--precision", metavar="P%", help="go on until every ratio is known to within this, such as 2%%")
    add("--budget", metavar="TIME", help="begin nothing more after it: 60s, 45m, 1h (default: none)")
    add("--timeout", type=float, default=300.0, metavar="S", help="for one command of a contender (%(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="of data and orders (default: %(default)s)")
    add("--selftest", action="store_true", help="let the instrument check itself before: a minute more")
    add("--plugin", action="append", default=[], metavar="FILE.py", help="contenders of your own; may be repeated")


def _add_out(parser: argparse.ArgumentParser) -> None:
    help_text = "a new or empty folder (default: reports/KIND-DATE-NUMBER)"
    parser.add_argument("--out", metavar="DIR", help=help_text)


def kernels(options: argparse.Namespace, command: str) -> int:
    """Compare update steps as `options` say, and return the exit code."""
    from fastopt.bench.requests import UpdateRequest, size

    def request() -> UpdateRequest:
        sizes = tuple(size(word) for word in _words(options.sizes))
        return UpdateRequest(
            **common(options),
            optimizers=_words(options.optimizers),
            sizes=sizes,
            dtype=options.dtype,
            tensors=options.tensors,
        )

    return _run(request, options, command, cold=not options.hot_only)


def epochs(options: argparse.Namespace, command: str) -> int:
    """Compare whole epochs as `options` say, and return the exit code."""
    from fastopt.bench.requests import EpochRequest

    def request() -> EpochRequest:
        return EpochRequest(
            **common(options),
            **_data(options),
            optimizers=_words(options.optimizers),
            batch_sizes=_integers(options.batch_sizes, "batch size"),
            model=options.model,
            hidden=_integers(options.hidden, "hidden width") if options.model == "mlp" else (),
        )

    return _run(request, options, command, cold=False)


def orders(options: argparse.Namespace, command: str) -> int:
    """Compare orders of an epoch as `options` say, and return the exit code."""
    from fastopt.bench.requests import OrderRequest, size

    def request() -> OrderRequest:
        return OrderRequest(**common(options), sizes=tuple(size(word) for word in _words(options.sizes)))

    return _run(request, options, command, cold=False)


def gathers(options: argparse.Namespace, command: str) -> int:
    """Compare gathered batches as `options` say, and return the exit code."""
    from fastopt.bench.requests import GatherRequest

    def request() -> GatherRequest:
        return GatherRequest(
            **common(options),
            batch_sizes=_integers(options.batch_sizes, "batch size"),
            n_rows=options.rows,
            n_features=options.features,
            dtype=options.dtype,
        )

    return _run(request, options, command, cold=False)


def common(options: argparse.Namespace) -> dict[str, Any]:
    """Return the fields that all requests have."""
    peers = {"all": None, "none": ()}.get(options.peers, _words(options.peers))
    return {
        "threads": _integers(options.threads, "number of threads"),
        "peers": peers,
        "baseline": options.baseline,
        "seed": options.seed,
    }


def _data(options: argparse.Namespace) -> dict[str, Any]:
    """The rows, features and classes: what was asked for, else what the data set has, else what suits the model."""
    rows, features, classes = (512, 20, 2) if options.model == "logistic" else (60_000, 784, 10)
    if options.dataset != "random":
        from fastopt.training.datasets import load

        data = load(options.dataset)
        if options.features or options.classes:
            raise ConfigError(f"--features and --classes are for random data: {options.dataset} has its own")
        rows, features, classes = data.train.size, data.n_features, data.n_classes
    return {
        "data": options.dataset,
        "n_rows": options.rows or rows,
        "n_features": options.features or features,
        "n_classes": options.classes or classes,
    }


def _run(request: Callable[[], Request], options: argparse.Namespace, command: str, *, cold: bool) -> int:
    from fastopt.study.folder import claim

    return measure(request, lambda: claim(options.out, options.command), options, command, cold=cold)


def measure(
    request: Callable[[], Request],
    place: Callable[[], Path],
    options: argparse.Namespace,
    command: str,
    *,
    cold: bool = False,
) -> int:
    """Measure what `request` says into the folder that `place` makes once that is clear, and return the exit code."""
    from fastopt import plugins
    from fastopt.bench.protocol import Protocol

    for file in options.plugin:
        plugins.load(file)
    wanted = request()
    plan = wanted.plan()
    protocol = Protocol(
        launches=options.launches,
        rounds=options.rounds,
        min_block_s=options.min_block,
        cold=cold,
        precision=None if options.precision is None else _share(options.precision),
        budget_s=None if options.budget is None else seconds(options.budget, "--budget"),
        seed=options.seed,
        timeout_s=options.timeout,
    )
    if not plan:
        raise ConfigError("nothing to measure: no contender was made for these cases")
    return _measure(wanted, plan, protocol, place(), command, selftest=options.selftest)


def _measure(
    request: Request, plan: Sequence[Planned], protocol: Protocol, folder: Path, command: str, *, selftest: bool
) -> int:
    from rich.console import Console

    from fastopt.bench.ceilings import measured
    from fastopt.bench.machine import environment
    from fastopt.bench.protocol import Measuring
    from fastopt.progress import ProgressBar

    console = Console()
    seen = environment()
    _announce(console, plan, folder, seen["advice"])
    meta = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "kind": request.kind,
        "request": request.record(),
        "environment": seen,
        "selftest": _selftest(console) if selftest else None,
        "ceilings": measured(max(request.threads)),
    }
    interrupted = False
    with ProgressBar(console) as bar:
        bar.begin(1.0)

        def observe(label: str, share: float) -> None:
            bar.stage(label)
            bar.advance(share)

        measuring = Measuring(plan, protocol, meta, save=lambda found: found.write(folder), observe=observe)
        try:
            measuring.run()
        except KeyboardInterrupt:
            interrupted = True
    return _finish(measuring.measurement, folder, console, interrupted=interrupted)


def _selftest(console: Any) -> list[dict[str, Any]]:
    from fastopt.cli import selftest

    found = []
    for check in selftest.checks(None):
        found.append(check)
        verdict = "passed" if check.passed else "FAILED"
        console.print(f"selftest, {check.name}: {verdict}", highlight=False, markup=False)
    return selftest.record(found)


def _finish(found: Measurement, folder: Path, console: Any, *, interrupted: bool) -> int:
    """Write the page of what there is."""
    from fastopt import report

    report.write_measurement(folder)
    report.print_measurement(found, console)
    console.print(f"\n{folder / 'report.html'}", highlight=False, markup=False, soft_wrap=True)
    if interrupted:
        print("fastopt: interrupted; the page shows what was measured until then", file=sys.stderr)
        return 130
    return 0


def _announce(console: Any, plan: Sequence[Planned], folder: Path, advice: list[str]) -> None:
    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False)

    say(f"{len(plan)} comparisons of {sum(len(planned.contenders) for planned in plan)} rows; records go to {folder}")
    say("leave the machine alone meanwhile: whatever else runs is in the numbers")
    for sentence in advice:
        say(f"advice: {sentence}")


def _words(given: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in given.split(",") if word.strip())
    if not words:
        raise ConfigError(f"expected one or more, with commas between them, got {given!r}")
    return words


def _integers(given: str, what: str) -> tuple[int, ...]:
    words = _words(given)
    with contextlib.suppress(ValueError):
        return tuple(int(word) for word in words)
    raise ConfigError(f"a {what} is a whole number, got {given!r}")


def _share(given: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)%?", given)
    if not found or not 0 < float(found[1]) < 100:
        raise ConfigError(f"--precision is a percentage such as 2%, got {given!r}")
    return float(found[1]) / 100
