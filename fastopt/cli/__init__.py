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
from typing import NoReturn

from fastopt.cli import compare
from fastopt.cli.flags import add_compare
from fastopt.errors import ConfigError, FastoptError

EPILOG = """\
examples:
  fastopt compare
  fastopt compare --optimizers sgd,adam --batch-sizes 1,32,full --epochs 10
  fastopt compare --dataset fashion-mnist --data-dir DIR --model mlp --hidden 100 --batch-sizes 32,256,2048
  fastopt compare --dataset my.csv --label outcome --out results
  fastopt compare --optimizers "adam,adam(eps_form=inside,beta2=0.99),momentum(form=heavy_ball)"
  fastopt compare study.toml --out results
  fastopt compare --resume results
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
                return compare.run(options, shlex.join(["fastopt", *argv]))
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


def _report(options: argparse.Namespace) -> int:
    from fastopt import report

    for path in report.write(Path(options.folder), options.format):
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
    add_compare(commands.add_parser("compare", help="run a comparison and write its report", allow_abbrev=False))
    again = commands.add_parser("report", help="make the page of a recorded comparison again", allow_abbrev=False)
    again.add_argument("folder", metavar="DIR", help="the --out folder of a comparison")
    again.add_argument("--format", default="csv", metavar="csv|parquet", help="of the tables (default: %(default)s)")
    menu = commands.add_parser("list", help="print what can be named, and what each needs", allow_abbrev=False)
    menu.add_argument("what", nargs="?", metavar="MENU", help="optimizers, models, datasets, schedules or peers")
    commands.add_parser("calibrate", help="measure from which size on updates use all threads", allow_abbrev=False)
    return parser
