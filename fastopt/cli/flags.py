"""The flags of `fastopt compare`: each is a setting of a study, and stands above the same setting in a file."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, TypeVar

Read = TypeVar("Read")


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fastopt compare`; one that is not given leaves no trace in the namespace."""
    add = _Adder(parser)
    add("study", nargs="?", metavar="STUDY.toml", help="settings from a file; flags stand above it")
    _add_data(add)
    _add_axes(add)
    _add_length(parser)
    _add_goal(add)
    _add_search(add)
    _add_running(add)
    add("--out", metavar="DIR", help="a new or empty folder (default: reports/compare-DATE-NUMBER)")
    add("--dry-run", action="store_true", help="say what would be run, and about how long, and run nothing")
    add("--resume", metavar="DIR", help="go on with the comparison in DIR; takes no other flag")


class _Adder:
    """Adds arguments that are absent from the namespace when they are not given."""

    def __init__(self, parser: Any) -> None:
        self.parser = parser

    def __call__(self, *names: str, **options: Any) -> None:
        self.parser.add_argument(*names, default=argparse.SUPPRESS, **options)


def _add_data(add: _Adder) -> None:
    add(
        "--dataset",
        metavar="NAME|FILE",
        help="a name of `fastopt list datasets`, or your own .csv, .parquet, .npz or .npy file (default: digits)",
    )
    add("--data-dir", metavar="DIR", help="where downloaded files lie (or: FASTOPT_DATA); what is missing is fetched")
    add(
        "--label", metavar="COLUMN|FILE", help="the column of a table to predict; of a .npy file the file of its labels"
    )
    add("--task", metavar="NAME", help="regression or classification, where your labels are whole numbers")
    add("--plugin", action="append", metavar="FILE.py", help="rules, models, data sets of your own; may be repeated")


def _add_axes(add: _Adder) -> None:
    from fastopt.study.config import StudyConfig

    default = StudyConfig()
    add("--model", metavar="NAME", help=f"a name of `fastopt list models` (default: {default.model})")
    add("--hidden", type=_integers, metavar="N[,N...]", help="hidden widths of the mlp (default: 32)")
    add("--activation", metavar="NAME", help="relu, tanh or sigmoid (default: the model's)")
    add("--init", metavar="NAME", help="zeros, normal, xavier or he (default: the model's)")
    add("--l2", type=float, metavar="X", help="strength of the L2 term in the loss (default: 0)")
    add("--loss", metavar="NAME", help="cross_entropy or squared (default: the model's)")
    add("--product", metavar="NAME", help="who multiplies matrices, tiles or blas: pins the bits (default: what suits)")
    add(
        "--optimizers",
        type=_optimizers,
        metavar="NAME[,NAME...]",
        help=f'with options or without: adam, "adam(beta2=0.99)" (default: {",".join(default.optimizers)})',
    )
    add(
        "--batch-sizes",
        type=_words,
        metavar="N[,N...]",
        help='rows per step, powers of two as 2^0..2^9, or "full" (default: 1,8,32,128,512,full)',
    )
    add(
        "--seeds",
        type=int,
        metavar="N",
        help=f"final runs per cell, each on a fresh seed; a 95 %% interval takes six (default: {default.seeds})",
    )
    add("--schedule", metavar="NAME", help=f"of the learning rate (default: {default.schedule})")
    add("--sampling", metavar="NAME", help=f"the order of rows (default: {default.sampling})")
    add(
        "--reduction",
        metavar="mean|sum",
        help=f"of a batch's gradient; a sum is a hidden rate of lr x batch size (default: {default.reduction})",
    )
    add("--dtype", metavar="NAME", help=f"float32 or float64 (default: {default.dtype})")


def _add_length(parser: argparse.ArgumentParser) -> None:
    add = _Adder(parser.add_mutually_exclusive_group())
    add("--epochs", type=int, metavar="N", help="length of every run, at most (default: 20; with a goal 50)")
    add("--steps", type=int, metavar="N", help="the same in updates")
    add("--samples", type=int, metavar="N", help="the same in rows, counted as often as they are used")
    add("--seconds", type=float, metavar="X", help="the same in seconds of training; then runs do not share cores")


def _add_goal(add: _Adder) -> None:
    add(
        "--goal",
        metavar="METRIC=VALUE",
        help="who gets there first? of train_loss, validation_loss or validation_accuracy, such as train_loss=0.35",
    )
    add(
        "--tune-also",
        type=_ranges,
        metavar="NAME=LOW..HIGH[,...]",
        help="with a goal: what is tuned beside the rate, such as adam.beta2=0.9..0.9999",
    )
    add("--transfer", action="store_true", help="with a goal: test rules for the rate against the tuned one, too")
    add("--budget", metavar="TIME", help="of a study with a goal in all: 90s, 45m or 2h; what tells most comes first")


def _add_search(add: _Adder) -> None:
    from fastopt.study.config import StudyConfig

    tune = StudyConfig().tune
    add("--tune", type=int, metavar="N", help=f"trials of the learning rate per cell (default: {tune})")
    add("--learning-rate", type=float, metavar="X", help="one rate for all cells instead of a search")
    add(
        "--learning-rate-ranges",
        type=_ranges,
        metavar="NAME=LOW..HIGH[,...]",
        help="where the search begins, by optimizer: adam=1e-4..0.3 (default: `fastopt compare` prints them)",
    )


def _add_running(add: _Adder) -> None:
    from fastopt.study.config import StudyConfig

    default = StudyConfig()
    add(
        "--backend",
        metavar="NAME",
        help=f"auto, serial or parallel, for the timing pass (default: {default.backend})",
    )
    add("--workers", type=int, metavar="N", help="runs that train side by side (default: one per core)")
    add(
        "--timing-rounds",
        type=int,
        metavar="N",
        help=f"timed blocks per cell, 0 for none (default: {default.timing_rounds})",
    )
    add("--format", metavar="csv|parquet", help=f"of the tables beside the page (default: {default.format})")


def _optimizers(given: str) -> tuple[str, ...]:
    from fastopt.spec import split

    return _some(split(given), given)


def _words(given: str) -> tuple[str, ...]:
    return _some(tuple(word.strip() for word in given.split(",") if word.strip()), given)


def _some(words: tuple[str, ...], given: str) -> tuple[str, ...]:
    if not words:
        raise argparse.ArgumentTypeError(f"expected one or more, with commas between them, got {given!r}")
    return words


def _integers(given: str) -> tuple[int, ...]:
    return _read(given, lambda: tuple(int(word) for word in _words(given)), "whole numbers with commas between them")


def _ranges(given: str) -> dict[str, tuple[float, float]]:
    def read() -> dict[str, tuple[float, float]]:
        found = {}
        for part in _optimizers(given):
            name, _, bounds = part.rpartition("=")
            low, high = (float(bound) for bound in bounds.split(".."))
            found[name] = low, high
        return found

    return _read(given, read, "ranges such as sgd=0.003..10,adam=1e-4..0.3")


def _read(given: str, read: Callable[[], Read], what: str) -> Read:
    try:
        return read()
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected {what}, got {given!r}") from None
