"""What is missing: of a study that is not finished, or of cells that have no final runs."""

from __future__ import annotations

from fastopt.records import Records
from fastopt.report import setting
from fastopt.report.cells import Cell
from fastopt.report.findings.finding import Finding
from fastopt.report.findings.phrases import cell_listing, listing


def missing(records: Records, table: list[Cell]) -> list[Finding]:
    """Return a warning for each thing that is not there."""
    texts = [
        *_unfinished(records),
        *_without_finals(table),
        *_short_of_finals(records, table),
        *_untimed(records, table),
    ]
    return [Finding(text, "warning") for text in texts]


def _unfinished(records: Records) -> list[str]:
    status = records.meta.get("status")
    if status == "finished":
        return []
    if status == "interrupted":
        return ["This study was interrupted; the page shows what was recorded until then."]
    return ["This study is not finished; the page shows what is recorded so far."]


def _without_finals(table: list[Cell]) -> list[str]:
    bare = [cell for cell in table if not cell.losses]
    if not table:
        return ["Nothing is recorded yet."]
    hopeless = [cell for cell in bare if 0 < cell.trials == cell.trials_diverged]
    if len(bare) == len(table) != len(hopeless):
        return ["No final run is recorded: nothing can be said about the optimizers yet."]
    waiting = [cell for cell in bare if cell not in hopeless]
    found = []
    for some, why in ((hopeless, "diverged at every rate tried, so they"), (waiting, "have no final run yet and")):
        if some:
            found.append(f"{len(some)} of {len(table)} cells {why} take no part: {cell_listing(some)}.")
    return found


def _short_of_finals(records: Records, table: list[Cell]) -> list[str]:
    wanted = len(setting.config(records).get("seeds") or ())
    short = [cell for cell in table if 0 < len(cell.losses) < wanted]
    if not short:
        return []
    text = f"{len(short)} of {len(table)} cells have fewer than the {wanted} final runs asked for: "
    return [f"{text}{cell_listing(short)}."]


def _untimed(records: Records, table: list[Cell]) -> list[str]:
    untimed = [cell for cell in table if not cell.epoch_times_s]
    if not untimed:
        return []
    reasons = dict.fromkeys(failure["reason"] for failure in records.meta.get("untimed") or ())
    why = f" The timing pass said: {listing(reasons)}." if reasons else ""
    if len(untimed) == len(table):
        text = "No timings are recorded: this page says nothing about time per step or epoch, or seconds to a loss."
    else:
        text = f"{len(untimed)} of {len(table)} cells have no timings: {cell_listing(untimed)}."
    return [f"{text}{why}"]
