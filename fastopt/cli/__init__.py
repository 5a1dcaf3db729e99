"""The command line: `fastopt compare` runs a comparison, or a study towards a goal; `fastopt analyse` makes one of
logs; `fastopt report` makes the page again; `fastopt list` prints the menus; `fastopt kernels` and `fastopt epochs`
time update steps and epochs beside other libraries, `fastopt peers` those of a comparison; `fastopt gate` says whether
anything got slower; `fastopt selftest` lets the instrument check itself; `fastopt info` tells what the machine is and
can do; `fastopt calibrate` measures from which size on updates use all threads.

Exit codes: 0 done, 2 bad input (one line on standard error), 130 interrupted, 141 its output was cut off;
`fastopt gate --help` has its own.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from fastopt.cli import analyse, compare, gate, info, measure, peers, selftest, store
from fastopt.cli.analyse import add_analyse
from fastopt.cli.flags import add_compare
from fastopt.cli.gate import add_gate
from fastopt.cli.info import add_info
from fastopt.cli.measure import add_epochs, add_gathers, add_kernels, add_orders
from fastopt.cli.peers import add_peers
from fastopt.cli.selftest import add_selftest
from fastopt.cli.store import add_export, add_status
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
  fastopt compare --goal train_loss=0.3 --batch-sizes 2^0..2^9 --budget 10m
  fastopt analyse runs.csv --goal loss=0.4
  fastopt status results
  fastopt export results --parquet
  fastopt report results
  fastopt kernels --optimizers adam --sizes 1e3,1e6 --peers "torch fused,optax" --budget 5m
  fastopt epochs --batch-sizes 1,32,512
  fastopt peers results
  fastopt selftest
  fastopt list
  fastopt info --measure
  fastopt gate baseline.json current.json
  fastopt calibrate
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _dispatch(_parser().parse_args(argv), shlex.join(["fastopt", *argv]))
        sys.stdout.flush()
    except FastoptError as error:
        print(f"fastopt: {error}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"fastopt: out of memory: {error or 'no detail'}; take a smaller model or batch size", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fastopt: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Who read our output has left, as `head` does; Python's own flush at exit must not meet the closed pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


def _dispatch(options: argparse.Namespace, command: str) -> int:
    match options.command:
        case "compare":
            return compare.run(options, command)
        case "report":
            return _report(options)
        case "analyse":
            return analyse.run(options, command)
        case "status":
            return store.status(options)
        case "export":
            return store.export(options)
        case "kernels":
            return measure.kernels(options, command)
        case "epochs":
            return measure.epochs(options, command)
        case "orders":
            return measure.orders(options, command)
        case "gathers":
            return measure.gathers(options, command)
        case "peers":
            return peers.run(options, command)
        case "selftest":
            return selftest.run(options)
        case "info":
            return info.run(options)
        case "gate":
            return gate.run(options)
        case "list":
            return _list(options)
        case _:
            return _calibrate()


def _report(options: argparse.Namespace) -> int:
    from fastopt import measurements, report

    folder = Path(options.folder)
    write = report.write_measurement if (folder / measurements.FILE_NAME).exists() else report.write
    for path in write(folder, options.format):
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
    add_analyse(commands.add_parser("analyse", help="find the best batch size in logs of yours", allow_abbrev=False))
    add_kernels(commands.add_parser("kernels", help="time update steps beside other libraries", allow_abbrev=False))
    add_epochs(commands.add_parser("epochs", help="time whole epochs beside other libraries", allow_abbrev=False))
    add_orders(commands.add_parser("orders", help="time the shuffling of an epoch's rows", allow_abbrev=False))
    add_gathers(commands.add_parser("gathers", help="time the gathering of batches", allow_abbrev=False))
    add_peers(commands.add_parser("peers", help="time a comparison's steps in other libraries", allow_abbrev=False))
    again = commands.add_parser("report", help="make the page of recorded results again", allow_abbrev=False)
    again.add_argument("folder", metavar="DIR", help="the --out folder of compare, kernels or epochs")
    again.add_argument("--format", default="csv", metavar="csv|parquet", help="of the tables (default: %(default)s)")
    add_status(commands.add_parser("status", help="say how far a comparison is", allow_abbrev=False))
    add_export(commands.add_parser("export", help="write the tables of a comparison as files", allow_abbrev=False))
    add_info(commands.add_parser("info", help="tell what this machine is and can do", allow_abbrev=False))
    add_selftest(commands.add_parser("selftest", help="let the instrument check itself", allow_abbrev=False))
    add_gate(commands.add_parser("gate", help="say whether anything got slower than a baseline", allow_abbrev=False))
    menu = commands.add_parser("list", help="print what can be named, and what each needs", allow_abbrev=False)
    menu.add_argument("what", nargs="?", metavar="MENU", help="optimizers, models, datasets, schedules or peers")
    commands.add_parser("calibrate", help="measure from which size on updates use all threads", allow_abbrev=False)
    return parser
