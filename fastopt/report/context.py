"""What the templates of the page are filled with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastopt.records import Records
from fastopt.report import prose, setting
from fastopt.report.cells import STATUSES, Cell, best_cells, cells, has_accuracy
from fastopt.report.facts import flatten, when
from fastopt.report.findings import findings
from fastopt.report.numbers import words
from fastopt.report.peers import elsewhere
from fastopt.report.valley import WITHIN

if TYPE_CHECKING:
    from fastopt.report.figures import Figure

SETTINGS = "study.toml"  # beside the records: what the study was asked to do
PHASES = {"search": "search trials", "confirm": "confirming runs", "final": "final runs"}


def context(records: Records, pictures: list[Figure], table_format: str) -> dict[str, Any]:
    """Return everything that the page shows."""
    table = cells(records)
    return {
        **shared(records, pictures, table_format),
        "findings": findings(records),
        "elsewhere": elsewhere(records),
        "within": WITHIN,
        **_tables(table),
        **_lost(records),
        "reading": prose.how_to_read(records, table),
        "measured": prose.measured(records, table),
        "clocks": prose.clocks(records, table),
        "limits": prose.limits(records, table),
    }


def shared(records: Records, pictures: list[Figure], table_format: str) -> dict[str, Any]:
    """Return what the pages of all studies show: what was asked for, on what, and where."""
    meta = records.meta
    config, dataset = setting.config(records), meta.get("dataset") or {}
    return {
        "title": f"{config.get('model', 'model')} on {dataset.get('name', config.get('dataset', 'unknown data'))}",
        "meta": meta,
        "created": when(str(meta.get("created", ""))),
        "config": config,
        "dataset": dataset,
        "extension": table_format,
        "figures": pictures,
        "command": meta.get("command", ""),
        "settings": _settings(records),
        "n_runs": {phase: int((records.runs["phase"] == phase).sum()) for phase in PHASES},
        "facts": list(flatten(meta.get("environment") or {})),
        "provenance": list(flatten(dataset.get("provenance") or {})),
    }


def _tables(table: list[Cell]) -> dict[str, Any]:
    """The cells, and which columns have a value at all."""
    return {
        "cells": table,
        "best": best_cells(table),
        "searched": [cell for cell in table if cell.trials],
        "confirmed": any(cell.confirming for cell in table),
        "shown": {
            "accuracy": has_accuracy(table),
            "time": any(cell.epoch_times_s for cell in table),
            "memory": any(cell.memory_bytes == cell.memory_bytes for cell in table),
            "updates": any(cell.updates_per_epoch == cell.updates_per_epoch for cell in table),
            "training": any(cell.training_time_s == cell.training_time_s for cell in table),
        },
    }


def _settings(records: Records) -> str:
    """The text of study.toml, "" where there is none (a study of schema version 1)."""
    try:
        return (records.folder / SETTINGS).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _lost(records: Records) -> dict[str, Any]:
    """Runs without a result, those that were asked for and are not there, and how many there are of each phase."""
    runs = records.runs
    lost = runs[runs["status"] != "finished"].sort_values("phase", key=lambda phases: phases != "final", kind="stable")
    return {
        "lost": lost.to_dict("records"),
        "lost_words": words(
            f"{int((lost['phase'] == phase).sum()):,} of {int((runs['phase'] == phase).sum()):,} {name}"
            for phase, name in PHASES.items()
            if (runs["phase"] == phase).any()
        ),
        "lost_final": int((lost["phase"] == "final").sum()),
        "missed": _missed(records),
    }


def _missed(records: Records) -> list[str]:
    """Each cell that has fewer final runs than were asked for: "adam at batch size 8: 4 of 6"."""
    wanted = len(setting.config(records).get("seeds") or ())
    short = [(c, sum(getattr(c, status) for status in STATUSES)) for c in cells(records)]
    return [f"{cell.optimizer} at {cell.name}: {found} of {wanted}" for cell, found in short if found < wanted]
