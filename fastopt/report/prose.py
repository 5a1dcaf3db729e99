"""What a reader must know beside the numbers: how to read the page, what was measured how, and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fastopt.bench.contention import MOST_TAKEN, Contention
from fastopt.records import Records
from fastopt.report import setting
from fastopt.report.cells import Cell
from fastopt.report.intervals import ENOUGH
from fastopt.report.numbers import count, duration, number, words
from fastopt.report.valley import WITHIN


def how_to_read(records: Records, table: list[Cell]) -> list[str]:
    """Return the paragraphs that stand before the tables."""
    untuned = setting.untuned(records, table)
    if untuned:
        chosen = f"Mind: {untuned}."
    else:
        chosen = "Its learning rate was chosen by a small search on validation loss, with the same number of trials in "
        chosen += "every cell"
        if any(cell.confirming for cell in table):
            chosen += ", whose best rates were run again on other seeds"
        chosen += "; then it was run on fresh seeds, and only those final runs are compared."
    return [
        f"A cell is one optimizer at one batch size. {chosen} Every optimizer saw the same seeds, so cells are "
        "compared seed by seed: a difference between seeds falls out of the comparison.",
        f"Numbers are medians. A 95 % interval follows where there are {ENOUGH} values or more; fewer cannot bear one, "
        "and then nothing is called better. A run that diverged stays in as the worst of its cell: “diverged” in place "
        "of a number means that the median run did. “Cannot tell” is a result too: it says that this much data does "
        "not decide.",
        "Two clocks answer two questions. Time per epoch is what a larger batch makes shorter. The loss after an equal "
        "budget is what the smaller number of updates costs. Only both together say how long the way to a given loss "
        "is.",
    ]


def measured(records: Records, table: list[Cell]) -> list[str]:
    """Return how the runs were made."""
    return [
        *made_of(records),
        _runs(records),
        _rates(records, table),
        *_search(records),
        "The test set took part in no choice. It was opened once, for the final runs, at their end.",
    ]


def made_of(records: Records) -> list[str]:
    """Return the data, the model, and what steps and losses are."""
    asked, data = setting.config(records), records.meta.get("dataset") or {}
    return [
        *([_data(data)] if data else []),
        f"Model: {setting.model_words(records)}; {asked.get('dtype', 'dtype not recorded')}, backend "
        f"{asked.get('backend', 'not recorded')}.",
        "Steps follow the sum of the gradients over the batch, not their mean: a hidden learning rate of lr x B."
        if setting.sums_gradients(records)
        else "Steps follow the mean of the gradients over the batch.",
        "Losses are means per row.",
    ]


def _data(data: dict[str, Any]) -> str:
    classes = f", {data['n_classes']} classes" if data.get("n_classes") else ""
    rows = {"to train on": "n_train", "to validate": "n_validation", "to test": "n_test"}
    parts = ", ".join(f"{number(data.get(key, float('nan')))} {what}" for what, key in rows.items())
    return (
        f"Data: {data.get('name', 'unnamed')}, {count(data.get('n_features', 0), 'feature')}{classes}; rows: {parts}."
    )


def _runs(records: Records) -> str:
    asked = setting.config(records)
    text = f"Every run: {setting.budget_words(records)}"
    schedule = setting.schedule(records)
    text += f", learning rate by the schedule {schedule}" if schedule else ", constant learning rate"
    if asked.get("sampling"):
        text += f", sampling {asked['sampling']}"
    seeds = ", ".join(str(seed) for seed in asked.get("seeds") or ()) or "none recorded"
    text += f". Seeds of the final runs: {seeds}, the same for all cells."
    if asked.get("search_seed") is not None:
        text += f" Seed of the search: {asked['search_seed']}"
        again = words(str(seed) for seed in asked.get("confirm_seeds") or ())
        text += f"; of its confirmation: {again}." if again else "."
    return text


def _rates(records: Records, table: list[Cell]) -> str:
    untuned = setting.untuned(records, table)
    if untuned:
        return f"Learning rates: {untuned}."
    text = f"Learning rates: {count(setting.config(records)['tune'], 'trial')} per cell, log-uniform and quasi-random, "
    text += "chosen on validation loss."
    ranges = setting.ranges_words(records)
    return f"{text} Ranges: {ranges}." if ranges else text


def _search(records: Records) -> list[str]:
    asked = setting.config(records)
    found = []
    if asked.get("extensions"):
        how_far = f"{count(asked['extensions'], 'time')} by {count(asked.get('extension_trials', 0), 'trial')}"
        found.append(f"A best rate at the edge of its range extends the search beyond it, up to {how_far}.")
    if asked.get("confirm_rates"):
        text = (
            f"The best {asked['confirm_rates']} rates of a search are run again on the seeds of the confirmation; the "
        )
        found.append(f"{text}lowest median of all runs of a rate decides.")
    return found


class Timed(Protocol):
    """A cell of a comparison, or of a study towards a goal."""

    @property
    def step_times_s(self) -> Mapping[int, float]: ...
    @property
    def contention(self) -> Contention: ...


def clocks(records: Records, table: Sequence[Timed]) -> list[str]:
    """Return what the times on the page are."""
    rounds = sorted({len(cell.step_times_s) for cell in table if cell.step_times_s})
    if rounds:
        what = "blocks of epochs, or of steps within one where it is long (with their share of its shuffling),"
        how = f"{what} timed alone on the machine after the convergence runs, {_processes(records)}in "
        how += f"{_from_to(rounds)} rounds of random order, evaluation left out; {words(_setups(records))}."
        how += _noise(table)
    else:
        how = "not recorded."
    compiled = records.meta.get("compile_time_s")
    return [
        f"Time per step and per epoch: {how}",
        "Seconds in the figures are steps times the median time per step. The seconds in the tables of runs and curves "
        "were counted while other runs may have shared the machine: they are for information only.",
        f"Compile time, in no other number: {'not recorded' if compiled is None else duration(float(compiled))}.",
    ]


def _processes(records: Records) -> str:
    """How many processes timed; nothing where the study's own did."""
    launches = records.timings["launch"].nunique()
    return f"by {count(launches, 'measuring process', 'es')}, one after another, " if launches else ""


def _noise(table: Sequence[Timed]) -> str:
    """How many blocks were noisy, and what that means; nothing where nobody looked."""
    blocks, disturbed = (sum(getattr(cell.contention, name) for cell in table) for name in ("samples", "noisy"))
    if not blocks:
        return ""
    return (
        f" {number(disturbed)} of {count(blocks, 'block')} were noisy, which means that others took more than "
        f"{100 * MOST_TAKEN:.0f} % of their processor time, or that two warm-up windows in a row never agreed; none is "
        "left out."
    )


def _from_to(values: list[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _setups(records: Records) -> list[str]:
    rows = records.timings[["backend", "threads", "chunks"]].drop_duplicates().to_dict("records")
    return [
        f"{row['backend']}, {count(row['threads'], 'thread')}, {count(row['chunks'], 'chunk')} per batch"
        for row in rows
    ]


EQUAL = {
    "epochs": "Equal epochs are not equal updates, and not equal seconds.",
    "steps": "Equal steps are not equal samples, and not equal seconds.",
    "samples": "Equal samples are not equal updates, and not equal seconds.",
    "seconds": "Equal seconds are not equal updates, and they depend on the machine.",
    "": "Budgets are equal in the bound that was used up first only.",
}


def limits(records: Records, table: list[Cell]) -> list[str]:
    """Return what the page does not say."""
    budget = setting.budget_words(records)
    confirmed = any(cell.confirming for cell in table)
    luck = "which chose each rate from few seeds" if confirmed else "which chose each rate with one seed"
    return [
        f"One data set, one model, one machine, {budget}: another budget can have another winner.",
        f"An interval covers what differs between seeds (or timing rounds). It does not cover the luck of the "
        f"learning-rate search, {luck}.",
        "Each interval is for one comparison; none is widened for the number of comparisons on this page. Best cells "
        "were picked on the runs that judge them.",
        f"{EQUAL[setting.clock(records)]} No goal was set: the way to a loss is told for losses that the runs "
        "happened to reach.",
        f"The width of a valley (loss within {100 * (WITHIN - 1):.0f} % of the lowest) is read off the rates tried, "
        "joined by straight lines in the logarithms.",
        "Training time is an estimate: steps times time per step, without compilation and evaluation.",
    ]
