"""From records to files: report.html, report.md, figures with their data, the tables and environment.json."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from fastopt.errors import StoreError
from fastopt.records import Records, read
from fastopt.report.cells import cells
from fastopt.report.context import context
from fastopt.report.figures import figures, write_figures
from fastopt.report.files import put, replace
from fastopt.report.goal import page as goal
from fastopt.report.goal.setting import has_goal
from fastopt.report.made import Made
from fastopt.report.peers import frames as peer_frames
from fastopt.report.render import render
from fastopt.report.tables import TableFormat, check_format, frames, write_frames


def write(folder: str | Path, table_format: TableFormat = "csv") -> list[Path]:
    """Make the report of the study in `folder` from its records, and return the files written, the page first.

    It may be called at any moment of a study: what is not recorded yet is named as missing. `table_format` is that of
    the tables; "parquet" needs pyarrow. The data of each figure are CSV, beside its PNG. Raises
    StoreError when there are no readable records or the folder cannot be written, ConfigError for the format.
    """
    check_format(table_format)
    records = read(folder)
    folder = Path(folder)
    page = made(records, table_format)
    try:
        images = write_figures(page.figures, folder / "figures")
        tables = write_frames(page.frames, folder, table_format)
        texts = {
            "report.html": render(f"{page.template}.html.j2", page.filling),
            "report.md": render(f"{page.template}.md.j2", page.filling),
            "environment.json": json.dumps(records.meta, indent=2) + "\n",
        }
        for name, text in texts.items():
            replace(folder / name, partial(put, text))
    except OSError as error:
        raise StoreError(f"cannot write the report into {folder}: {error}") from error
    return [*(folder / name for name in texts), *tables, *images]


def made(records: Records, table_format: str) -> Made:
    """Return the page of a study before it is written: of a comparison, or of a study towards a goal."""
    if has_goal(records):
        return goal.made(records, table_format)
    pictures = figures(records, cells(records))
    filling = context(records, pictures, table_format)
    return Made(pictures, "report", filling, frames(records) | peer_frames(filling["elsewhere"]))
