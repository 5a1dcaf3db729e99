"""What is missing, and what to mind before believing the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fastopt.analysis.chain import Chain
from fastopt.records import Records
from fastopt.report import setting
from fastopt.report.findings.finding import Finding
from fastopt.report.findings.phrases import listing
from fastopt.report.goal.results import GoalCell
from fastopt.report.goal.setting import study_budget
from fastopt.report.intervals import ENOUGH
from fastopt.report.numbers import count


def missing(records: Records, table: Sequence[GoalCell], found: Mapping[str, Chain]) -> list[Finding]:
    """Return a warning for each thing that is not there."""
    texts = [*_unfinished(records), *_failed(table), *_never(table), *_short(records, table), *_untimed(records, table)]
    if not found and not texts:
        texts.append("No final run is recorded: nothing can be said about the goal yet.")
    return [Finding(text, "warning") for text in texts]


def _unfinished(records: Records) -> list[str]:
    match records.meta.get("status"):
        case "finished":
            return []
        case "budget":
            spent = f"The budget of {study_budget(records)} was spent before all runs were done. What was left out is "
            return [f"{spent}named below and beside the tables; fastopt compare --resume goes on with it."]
        case "interrupted":
            return ["This study was interrupted; the page shows what was recorded until then."]
        case _:
            return ["This study is not finished; the page shows what is recorded so far."]


def _failed(table: Sequence[GoalCell]) -> list[str]:
    reasons = [reason for cell in table for reason in cell.failures]
    if not reasons:
        return []
    some = _listed([cell for cell in table if cell.failures], lambda cell: len(cell.failures))
    why = listing(dict.fromkeys(reasons), most=3)
    return [f"{count(len(reasons), 'run')} failed and count as misses, at {some}: {why}."]


def _never(table: Sequence[GoalCell]) -> list[str]:
    wanted = [cell for cell in table if cell.tried and not cell.trials_reached and not cell.reached]
    if not wanted:
        return []
    if len(wanted) == len([cell for cell in table if cell.tried]):
        return ["No trial has reached the goal: set an easier one, or longer runs with --epochs."]
    return [f"No trial reached the goal at {_listed(wanted)}: these take no part."]


def _short(records: Records, table: Sequence[GoalCell]) -> list[str]:
    asked = setting.config(records)
    wanted, trials = len(asked.get("seeds") or ()), int(asked.get("tune") or 0)
    untried = [cell for cell in table if len(cell.tried) < trials]
    bare = [cell for cell in table if cell not in untried and cell.trials_reached and not cell.hits]
    short = [cell for cell in table if 0 < len(cell.hits) < wanted]
    texts = []
    if untried:
        texts.append(f"Fewer than {trials} trials at {_listed(untried, lambda cell: len(cell.tried))}.")
    if bare:
        texts.append(f"No final run at {_listed(bare)}.")
    if short:
        some = _listed(short, lambda cell: len(cell.hits))
        texts.append(f"Fewer than the {wanted} final runs asked for at {some}.")
    if wanted < ENOUGH:
        texts.append(f"{wanted} final runs are too few for an interval of a median, which takes {ENOUGH}.")
    return texts


def _untimed(records: Records, table: Sequence[GoalCell]) -> list[str]:
    untimed = [cell for cell in table if cell.hits and not cell.step_times_s]
    if not untimed:
        return []
    reasons = dict.fromkeys(failure["reason"] for failure in records.meta.get("untimed") or ())
    why = f" The timing pass said: {listing(reasons)}." if reasons else ""
    return [f"No timings at {_listed(untimed)}: nothing can be said of seconds there.{why}"]


def _listed(cells: Sequence[GoalCell], how_many: Callable[[GoalCell], int] | None = None) -> str:
    """Cells as "sgd at 1 (3), 2 and 4 (5); adam at 8"."""
    rows: dict[str, list[str]] = {}
    for cell in cells:
        text = cell.batch if how_many is None else f"{cell.batch} ({how_many(cell)})"
        rows.setdefault(cell.optimizer, []).append(text)
    return "; ".join(f"{name} at {listing(batches, most=13)}" for name, batches in rows.items())
