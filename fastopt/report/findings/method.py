"""How the learning rates came about."""

from __future__ import annotations

import math

from fastopt.records import Records
from fastopt.report import setting
from fastopt.report.cells import Cell
from fastopt.report.findings.finding import Finding
from fastopt.report.numbers import count, number


def method(records: Records, table: list[Cell]) -> list[Finding]:
    """Return notes on search, confirmation and schedule."""
    texts = [*_search(records, table), *_schedule(records)]
    return [Finding(text, "note") for text in texts]


def _search(records: Records, table: list[Cell]) -> list[str]:
    trials = sum(cell.trials for cell in table)
    tune = setting.config(records).get("tune")
    if not math.isnan(setting.fixed_rate(records)) or not tune or not trials:
        return []
    text = f"Learning rates were chosen on validation loss from {count(tune, 'trial')} per cell"
    if ranges := setting.ranges_words(records):
        text += f", log-uniform, {ranges}"
    lost = sum(cell.trials_diverged for cell in table)
    text += f"; {number(lost)} of {number(trials)} trials diverged."
    confirmed = [cell for cell in table if cell.confirming]
    if confirmed:
        text += " The best rates of each search were run again on fresh seeds, and the lowest median of these and the "
        overturned = sum(cell.overturned for cell in confirmed)
        text += f"search was taken; that changed the choice in {overturned} of {count(len(confirmed), 'cell')}."
    return [text]


def _schedule(records: Records) -> list[str]:
    name = setting.schedule(records)
    if not name:
        return []
    return [f'The learning rate follows the schedule "{name}"; the rates named here are the lr of its formula.']
