"""From records to files: report.html, report.md, figures/*.png, the CSV files and environment.json."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from fastopt.errors import StoreError
from fastopt.records import Records, read
from fastopt.report import figures as draw
from fastopt.report.findings import findings
from fastopt.report.tables import (
    ENOUGH,
    best_cells,
    cells,
    duration,
    equal_budget,
    number,
    percent,
    rate,
    span,
    summary,
    words,
)

LABELS = {
    "verdict": "verdict",
    "measured": "measured",
    "unclear": "cannot tell",
    "refused": "not claimed",
    "warning": "mind",
    "note": "note",
}


def write(folder: str | Path) -> list[Path]:
    """Make the report of the study in `folder` from its records, and return the files written, the page first.

    It may be called at any moment of a study: what is not recorded yet is named as missing. Raises StoreError when
    there are no readable records or the folder cannot be written.
    """
    records = read(folder)
    folder = Path(folder)
    pictures = draw.figures(records)
    context = _context(records, pictures)
    try:
        (folder / "figures").mkdir(exist_ok=True)
        images = [folder / "figures" / f"{figure.key}.png" for figure in pictures if figure.panels]
        for figure, path in zip((figure for figure in pictures if figure.panels), images, strict=True):
            _replace(path, partial(draw.png, figure))
        frames = {"runs.csv": records.runs, "curves.csv": records.curves, "timings.csv": records.timings}
        frames["summary.csv"] = summary(records)
        for name, frame in frames.items():
            _replace(folder / name, partial(frame.to_csv, index=False))
        texts = {
            "report.html": _render("report.html.j2", context | {"svg": draw.svg}),
            "report.md": _render("report.md.j2", context),
            "environment.json": json.dumps(records.meta, indent=2) + "\n",
        }
        for name, text in texts.items():
            _replace(folder / name, partial(_put, text))
    except OSError as error:
        raise StoreError(f"cannot write the report into {folder}: {error}") from error
    return [*(folder / name for name in [*texts, *frames]), *images]


def _put(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _replace(path: Path, fill: Callable[[Path], Any]) -> None:
    """Write beside `path`, then put it in place: a reader sees the old file or the new one, never half of one."""
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        fill(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _render(template: str, context: dict[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "duration": duration, "percent": percent, "rate": rate, "cell": _markdown}
    environment.filters["together"] = _together
    environment.tests |= {"nan": math.isnan, "finite": math.isfinite}
    return environment.get_template(template).render(context)


def _markdown(value: object) -> str:
    """Text for one cell of a Markdown table."""
    return " ".join(str(value).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").split())


def _together(text: str) -> str:
    """Keep a number and what it counts on one line."""
    return re.sub(r"(?<=\d) (?=%|seeds?\b|rounds?\b|epochs?\b)|(?<=batch size) (?=\d)", "\u00a0", text)


def _when(created: str) -> str:
    try:
        return f"{datetime.fromisoformat(created):%Y-%m-%d %H:%M %Z}".strip()
    except ValueError:
        return created


def _context(records: Records, pictures: list[draw.Figure]) -> dict[str, Any]:
    meta, table = records.meta, cells(records)
    config, dataset = meta.get("config", {}), meta.get("dataset", {})
    lost = records.runs[records.runs["status"] != "finished"]
    timings = records.timings
    return {
        "title": f"{config.get('model', 'model')} on {dataset.get('name', config.get('dataset', 'unknown data'))}",
        "meta": meta,
        "created": _when(str(meta.get("created", ""))),
        "config": config,
        "dataset": dataset,
        "findings": findings(records),
        "labels": LABELS,
        "cells": table,
        "best": best_cells(table),
        "enough": ENOUGH,
        "span": span,
        "show": {"number": number, "percent": percent, "duration": duration},
        "figures": pictures,
        "lost": lost.to_dict("records"),
        "lost_final": int((lost["phase"] == "final").sum()),
        "budget": equal_budget(records, table),
        "n_final": sum(cell.finals for cell in table),
        "n_search": int((records.runs["phase"] == "search").sum()),
        "command": meta.get("command", ""),
        "facts": list(_flatten(meta.get("environment", {}))),
        "provenance": list(_flatten(dataset.get("provenance", {}))),
        "setups": [
            f"{row['backend']}, {row['threads']} thread{'s' if row['threads'] != 1 else ''}, "
            f"{row['chunks']} chunk{'s' if row['chunks'] != 1 else ''} per batch"
            for row in timings[["backend", "threads", "chunks"]].drop_duplicates().to_dict("records")
        ],
        "rounds": sorted({len(cell.epoch_times_s) for cell in table if cell.epoch_times_s}),
        "words": words,
    }


def _flatten(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the leaves of nested facts: ("cpu.model", "...")."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for i, item in enumerate(value):
            yield from _flatten(item, f"{name}[{i}]")
    else:
        text = ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
        yield name, "unknown" if value is None else text
