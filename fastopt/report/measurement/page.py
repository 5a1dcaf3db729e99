"""From the records of a measurement to files: the page, figures with their data, tables and environment.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fastopt.bench.contention import together
from fastopt.errors import StoreError
from fastopt.measurements import Measurement, read
from fastopt.report.facts import flatten, when
from fastopt.report.figures.figure import Figure, write_figures
from fastopt.report.files import put, replace
from fastopt.report.measurement import prose
from fastopt.report.measurement.figures import figures
from fastopt.report.measurement.findings import findings
from fastopt.report.measurement.frames import rows_frame, samples_frame, worst_error
from fastopt.report.measurement.kinds import kind_of
from fastopt.report.measurement.results import CaseResults, case_results
from fastopt.report.measurement.words import said
from fastopt.report.render import render
from fastopt.report.tables import TableFormat, check_format, write_frames

BANNERS = {
    "running": "This measurement is not finished.",
    "budget": "The budget of time was spent before all was measured.",
    "interrupted": "This measurement was interrupted.",
}


def write(folder: str | Path, table_format: TableFormat = "csv") -> list[Path]:
    """Make the report of the measurement in `folder` from its records, and return the files written, the page first.

    It may be called at any moment of a measurement: what is not measured yet is named as missing. `table_format` is
    that of rows and samples; "parquet" needs pyarrow. The data of each figure are CSV, beside its PNG. Raises
    StoreError when there is no readable measurement or the folder cannot be written, ConfigError for the format.
    """
    check_format(table_format)
    measurement, folder = read(folder), Path(folder)
    cases = case_results(measurement)
    pictures = figures(measurement, cases)
    filling = context(measurement, cases, pictures, table_format)
    texts = {
        "report.html": render("measurement.html.j2", filling),
        "report.md": render("measurement.md.j2", filling),
        "environment.json": json.dumps(measurement.meta.get("environment") or {}, indent=2) + "\n",
    }
    try:
        images = write_figures(pictures, folder / "figures")
        tables = write_frames({"rows": rows_frame(cases), "samples": samples_frame(cases)}, folder, table_format)
        for name, text in texts.items():
            replace(folder / name, partial(put, text))
    except OSError as error:
        raise StoreError(f"cannot write the report into {folder}: {error}") from error
    return [*(folder / name for name in texts), *tables, *images]


def context(
    measurement: Measurement, cases: Sequence[CaseResults], pictures: Sequence[Figure], table_format: str
) -> dict[str, Any]:
    """Return everything that the page shows."""
    meta, kind = measurement.meta, kind_of(measurement)
    results = [result for case in cases for result in case.results]
    return {
        "kind": kind,
        "meta": meta,
        "created": when(str(meta.get("created", ""))),
        "banner": BANNERS.get(str(meta.get("status", "running")), ""),
        "n_timed": sum(result.row.timed for result in results),
        "n_rows": len(results),
        "subjects": list(dict.fromkeys(case.group.subject for case in cases)),
        "sizes": list(dict.fromkeys(case.size_words for case in cases)),
        "findings": findings(measurement, cases),
        "reading": prose.how_to_read(kind, cases),
        "cases": cases,
        "said": said,
        "worst_error": worst_error,
        "shown": {
            "ceiling": any(result.of_ceiling.median > 0 for result in results),
            "cold": any(result.row.cold for result in results),
            "shape": any(case.group.shape != cases[0].group.shape for case in cases),
        },
        "extension": table_format,
        "figures": pictures,
        "all_seen": together([(s, c.group.threads) for c in cases for r in c.results for s in r.row.samples]),
        "seen": [(case, _seen(case)) for case in cases if any(result.row.samples for result in case.results)],
        "measured": prose.measured(measurement, cases),
        "judged": prose.judged(),
        "limits": prose.limits(kind),
        "command": meta.get("command", ""),
        "selftest": meta.get("selftest") or [],
        "facts": list(flatten(meta.get("environment") or {})),
        "provenance": [],
    }


def _seen(case: CaseResults) -> Any:
    return together([(sample, case.group.threads) for result in case.results for sample in result.row.samples])
