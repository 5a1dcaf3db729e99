"""From records to files: report.html, report.md, figures with their data, the tables and environment.json."""

from __future__ import annotations

import json
import math
import re
from functools import partial
from pathlib import Path
from typing import Any

from fastopt.errors import StoreError
from fastopt.records import read
from fastopt.report import figures as draw
from fastopt.report.cells import cells
from fastopt.report.context import context
from fastopt.report.files import put, replace
from fastopt.report.numbers import duration, factor, memory, number, percent, rate
from fastopt.report.tables import TableFormat, check_format, write_tables


def write(folder: str | Path, table_format: TableFormat = "csv") -> list[Path]:
    """Make the report of the study in `folder` from its records, and return the files written, the page first.

    It may be called at any moment of a study: what is not recorded yet is named as missing. `table_format` is that of
    runs, curves, timings and summary; "parquet" needs pyarrow. The data of each figure are CSV, beside its PNG. Raises
    StoreError when there are no readable records or the folder cannot be written, ConfigError for the format.
    """
    check_format(table_format)
    records = read(folder)
    folder = Path(folder)
    pictures = draw.figures(records, cells(records))
    filling = context(records, pictures, table_format)
    try:
        images = _write_figures(pictures, folder / "figures")
        tables = write_tables(records, folder, table_format)
        texts = {
            "report.html": _render("report.html.j2", filling | {"svg": draw.svg}),
            "report.md": _render("report.md.j2", filling),
            "environment.json": json.dumps(records.meta, indent=2) + "\n",
        }
        for name, text in texts.items():
            replace(folder / name, partial(put, text))
    except OSError as error:
        raise StoreError(f"cannot write the report into {folder}: {error}") from error
    return [*(folder / name for name in texts), *tables, *images]


def _write_figures(pictures: list[draw.Figure], folder: Path) -> list[Path]:
    """Write each figure that has data as PNG, and the data beside it."""
    folder.mkdir(exist_ok=True)
    written = []
    for figure in pictures:
        if figure.data is not None:
            image, data = folder / f"{figure.key}.png", folder / f"{figure.key}.csv"
            replace(image, partial(draw.png, figure))
            replace(data, partial(figure.data.to_csv, index=False))
            written += [image, data]
    return written


def _render(template: str, filling: dict[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "duration": duration, "percent": percent, "rate": rate}
    environment.filters |= {"memory": memory, "factor": factor, "cell": _markdown, "together": _together}
    environment.tests |= {"nan": math.isnan, "finite": math.isfinite}
    return environment.get_template(template).render(filling)


def _markdown(value: object) -> str:
    """Text for one cell of a Markdown table."""
    return " ".join(str(value).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").split())


def _together(text: str) -> str:
    """Keep a number and what it counts on one line."""
    return re.sub(r"(?<=\d) (?=%|seeds?\b|rounds?\b|epochs?\b)|(?<=batch size) (?=\d)", "\u00a0", text)
