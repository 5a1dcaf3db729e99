"""The command line: `fastopt compare` runs a comparison, `fastopt report` makes its page again, `fastopt list` prints
the menus, `fastopt calibrate` measures from which size on updates use all threads.

Exit codes: 0 done, 2 bad input (one line on standard error), 130 interrupted.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from fastopt.errors import ConfigError, FastoptError

if TYPE_CHECKING:
    from fastopt.study.config import StudyConfig

EPILOG = """\
examples:
  fastopt compare
  fastopt compare --optimizers sgd,adam --batch-sizes 1,32,full --epochs 10
  fastopt compare --dataset fashion-mnist --data-dir DIR --model mlp --hidden 100 --batch-sizes 32,256,2048
  fastopt compare --dataset my.csv --label outcome --out results
  fastopt compare --optimizers "adam,adam(eps_form=inside,beta2=0.99),momentum(form=heavy_ball)"
  fastopt report results
  fastopt list
  fastopt calibrate
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser().parse_args(argv)
        match options.command:
            case "compare":
                return _compare(options, shlex.join(["fastopt", *argv]))
            case "report":
                return _report(options)
            case "list":
                return _list(options)
            case _:
                return _calibrate()
    except FastoptError as error:
        print(f"fastopt: {error}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"fastopt: out of memory: {error or 'no detail'}; take a smaller model or batch size", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fastopt: interrupted", file=sys.stderr)
        return 130


def _compare(options: argparse.Namespace, command: str) -> int:
    # Heavy imports stand where they are used: `fastopt --help` answers at once.
    import datetime

    from rich.console import Console

    from fastopt import records, report
    from fastopt.bench.machine import environment
    from fastopt.progress import ProgressBar
    from fastopt.report.terminal import print_summary
    from fastopt.study import config, folder
    from fastopt.study.runner import Runner
    from fastopt.training.train import resolve_dataset

    console = Console()
    settings = _study_config(options)
    settings.check()
    dataset = resolve_dataset(settings.dataset, data_dir=settings.data_dir, label=settings.label, dtype=settings.dtype)
    study = config.plan(settings, dataset)
    out = folder.claim(options.out, "compare")
    writer = records.Writer(out)
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    facts = environment()
    writer.meta(created=created, command=command, environment=facts, **study.facts())
    console.print(f"{len(study.cells)} cells on {dataset!r}; records go to {out}", highlight=False, markup=False)
    for sentence in facts["advice"]:
        console.print(f"advice: {sentence}", highlight=False, markup=False)
    try:
        with ProgressBar(console) as progress:
            Runner(study, writer, progress).run()
    except KeyboardInterrupt:
        print(
            f"\nfastopt: interrupted; what was recorded stays: fastopt report {shlex.quote(str(out))}", file=sys.stderr
        )
        return 130
    finally:
        writer.close()
    report.write(out)
    print_summary(records.read(out), console)
    console.print(f"\n{out / 'report.html'}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _report(options: argparse.Namespace) -> int:
    from fastopt import report

    for path in report.write(Path(options.folder)):
        print(path)
    return 0


def _list(options: argparse.Namespace) -> int:
    from fastopt import menus

    for line in menus.lines(options.what):
        print(line)
    return 0


def _calibrate() -> int:
    from fastopt.bench.crossover import calibrate

    found = calibrate()
    print(found)
    return 0


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fastopt",
        description="Compare optimizers honestly: convergence and wall-clock time over batch sizes, on one page.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fastopt {version('fastopt')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_compare(commands.add_parser("compare", help="run a comparison and write its report", allow_abbrev=False))
    again = commands.add_parser("report", help="make the page of a recorded comparison again", allow_abbrev=False)
    again.add_argument("folder", metavar="DIR", help="the --out folder of a comparison")
    menu = commands.add_parser("list", help="print what can be named, and what each needs", allow_abbrev=False)
    menu.add_argument("what", nargs="?", metavar="MENU", help="optimizers, models, datasets, schedules or peers")
    commands.add_parser("calibrate", help="measure from which size on updates use all threads", allow_abbrev=False)
    return parser


def _add_compare(parser: argparse.ArgumentParser) -> None:
    from fastopt.study.config import StudyConfig

    default = StudyConfig()
    parser.add_argument(
        "--dataset",
        default=default.dataset,
        metavar="NAME|FILE",
        help="digits (ships with fastopt), fashion-mnist, or your own .csv or .npz (default: %(default)s)",
    )
    parser.add_argument("--data-dir", metavar="DIR", help="where the files of fashion-mnist lie (or: FASTOPT_DATA)")
    parser.add_argument("--label", metavar="COLUMN", help="the column of a .csv to predict")
    parser.add_argument("--model", default=default.model, help="mlp or softmax (default: %(default)s)")
    parser.add_argument("--hidden", type=_integers, metavar="N[,N...]", help="hidden widths of the mlp (default: 32)")
    parser.add_argument(
        "--optimizers",
        type=_optimizers,
        default=default.optimizers,
        metavar="NAME[,NAME...]",
        help=f'with options or without: adam, "adam(beta2=0.99)" (default: {",".join(default.optimizers)})',
    )
    parser.add_argument(
        "--batch-sizes",
        type=_words,
        default=default.batch_sizes,
        metavar="N[,N...]",
        help='rows per step, or "full" (default: 1,8,32,128,512,full)',
    )
    numbers = {
        "--seeds": ("n_seeds", "final runs per cell, each on a fresh seed; a 95 %% interval takes six"),
        "--epochs": ("epochs", "length of every run"),
        "--tune": ("tune", "trials of the learning rate per cell"),
        "--timing-rounds": ("timing_rounds", "timed blocks per cell, 0 for none"),
    }
    for flag, (name, text) in numbers.items():
        help_text = f"{text} (default: %(default)s)"
        parser.add_argument(flag, type=int, dest=name, default=getattr(default, name), metavar="N", help=help_text)
    parser.add_argument("--learning-rate", type=float, metavar="X", help="one rate for all cells instead of a search")
    parser.add_argument("--dtype", default=default.dtype, help="float32 or float64 (default: %(default)s)")
    parser.add_argument(
        "--backend",
        default=default.backend,
        help="auto, serial or parallel, for the timing pass (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="runs that train side by side (default: one per core)")
    parser.add_argument("--out", metavar="DIR", help="a new or empty folder (default: reports/compare-DATE-NUMBER)")


def _study_config(options: argparse.Namespace) -> StudyConfig:
    import dataclasses

    from fastopt.study.config import StudyConfig

    names = [field.name for field in dataclasses.fields(StudyConfig)]
    return StudyConfig(**{name: getattr(options, name) for name in names})


def _optimizers(text: str) -> tuple[str, ...]:
    from fastopt.optimizers.spec import split

    return _some(split(text), text)


def _words(text: str) -> tuple[str, ...]:
    return _some(tuple(word.strip() for word in text.split(",") if word.strip()), text)


def _some(words: tuple[str, ...], text: str) -> tuple[str, ...]:
    if not words:
        raise argparse.ArgumentTypeError(f"expected one or more, with commas between them, got {text!r}")
    return words


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in _words(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected whole numbers with commas between them, got {text!r}") from None


if __name__ == "__main__":
    sys.exit(main())
