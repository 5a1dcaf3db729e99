"""`fastopt peers`: what the steps of a study take in other libraries, and the batch-size timing study, for its page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fastopt.cli.measure import add_common, common, measure
from fastopt.errors import StoreError

if TYPE_CHECKING:
    from fastopt.bench.study_epochs import StudyEpochs


def add_peers(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fastopt peers`."""
    parser.add_argument("folder", metavar="DIR", help="the --out folder of a comparison; results go to DIR/peers")
    add_common(parser, "2")
    parser.set_defaults(peers="torch eager,jax scan")
    help_text = "of the tables beside the study's page (default: %(default)s)"
    parser.add_argument("--format", default="csv", metavar="csv|parquet", help=help_text)


def run(options: argparse.Namespace, command: str) -> int:
    """Time the epochs of a recorded study beside peers, make its page again, and return the exit code."""
    from fastopt import records, report
    from fastopt.bench.study_epochs import request_of
    from fastopt.report.peers import FOLDER
    from fastopt.report.tables import check_format
    from fastopt.study.folder import check_idle
    from fastopt.training.datasets import load

    study = Path(options.folder)
    meta = records.read(study).meta
    check_format(options.format)
    check_idle(study)

    def request() -> StudyEpochs:
        wanted = request_of(meta, **common(options))
        load(wanted.data)  # what is missing is said here, not by every contender
        return wanted

    code = measure(request, lambda: _free(study / FOLDER), options, command)
    print(report.write(study, options.format)[0])
    return code


def _free(folder: Path) -> Path:
    """Create and return the folder of the measurement; raises StoreError where one was begun, or nothing can be."""
    try:
        folder.mkdir(exist_ok=True)
        begun = any(folder.iterdir())
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror}") from error
    if begun:
        raise StoreError(f"{folder} holds a measurement already: remove it to measure again")
    return folder
