"""The paragraphs around the numbers: how to read the page of a study towards a goal, how it was made, its limits."""

from __future__ import annotations

from fastopt.records import Records
from fastopt.report import prose, setting
from fastopt.report.goal.setting import from_logs, goal_words, in_a_row, study_budget, trials
from fastopt.report.numbers import count, number, words


def how_to_read(records: Records) -> list[str]:
    """Return how the links of the chain hang together."""
    logged = from_logs(records)
    grid = "" if logged else ", each look 19 % more samples than the last"
    clock = "are those of the log" if logged else "are timed alone"
    return [
        "Which batch size is at the goal first? A larger batch makes each step longer, t(B), and needs fewer of them, "
        "S(B); their product T(B) is the seconds to the goal, and the batch size where it is least is B*. Each link is "
        f"measured by itself: steps are counted, whatever else the machine does; seconds per step {clock}.",
        "Far below B_crit twice the batch takes half the steps (perfect scaling); around it less is saved (diminishing "
        "returns); far above it nothing is (maximal parallelism), and a larger batch only costs time.",
        f"The goal is {goal_words(records)}, {in_a_row(records)}. Runs are looked at now and then{grid}: a run is at "
        "the goal somewhere between two looks, and the law is fitted to these intervals. A run that never got there "
        "counts as one: medians rank it last, the law knows that it took longer than it was given, and the expected "
        "steps count its steps as lost.",
    ]


def measured(records: Records) -> list[str]:
    """Return how the runs were made."""
    if from_logs(records):
        return _logged(records)
    asked = setting.config(records)
    cutoff = number(float(asked.get("cutoff") or 0))
    budget = study_budget(records)
    found = (
        "The value of the goal was found first: the median of the best that tuned SGD held at the middle batch size, "
        "on three seeds of its own; its records lie in the folder baseline."
    )
    order = (
        f"The study was given {budget}: batch sizes are bisected from the middle, cells that could be the fastest "
        "come next, and the final runs of each cell beyond three come last."
    )
    return [
        *prose.made_of(records),
        f"Every run ends at the goal, or after {setting.budget_words(records)}, or after {cutoff} times the fewest "
        "steps that its cell is known to take. Where nothing is known of a cell yet, the middle batch size of its "
        "optimizer tells: no more steps at larger batches, no more samples at smaller ones.",
        f"Learning rates: {trials(records)} per cell, in {count(asked.get('waves') or 0, 'wave')} from coarse to fine, "
        "each around the best rate until then; the best three that reached the goal are run again on the seeds of the "
        "confirmation, and the lowest median of steps decides. Schedules follow the full length of a run.",
        f"The final runs have the seeds {words(str(seed) for seed in asked.get('seeds') or ())}, the same for all "
        "cells: the same initial parameters, and the same order of rows, whatever the optimizer and the batch size.",
        *([order] if budget else []),
        *([found] if (records.folder / "baseline").exists() else []),
        "The test set took part in no choice. It was opened once, for the final runs, at their end.",
    ]


def _logged(records: Records) -> list[str]:
    return [
        f"Runs were read from {(records.meta.get('dataset') or {}).get('name', 'a log')}: what they trained, and on "
        "what machine, is not known here.",
        "Of each optimizer and batch size the learning rate with the lowest median of steps to the goal is the chosen "
        "one; its runs stand for the cell, all others are trials of a search. Choice and comparison rest on the same "
        "runs.",
        "Seconds per step are those of the log: of each run, between its first look and its last.",
    ]


def limits(records: Records) -> list[str]:
    """Return what the page does not say."""
    if from_logs(records):
        return [
            "One log, one goal: another goal can have another winner, as the ladder of goals shows for easier ones.",
            "Rates were tuned as far as the log holds several of them; where it holds one, a batch size may look slow "
            "only because that rate does not suit it.",
            "Intervals are of the bootstrap over seeds and rates tried, and of times over runs; none is widened for "
            "the number of comparisons. Whether the machine was alone while it trained is not known.",
        ]
    return [
        "One data set, one model, one machine, one goal: another goal can have another winner, as the ladder of goals "
        "shows for easier ones.",
        f"Tuned is the learning rate{_also(records)}: other hyperparameters are the optimizer's defaults, or what was "
        "given.",
        "Intervals are of the bootstrap over seeds and tuning trials, and of times over the processes that measured "
        "them and their rounds. Each is for one number; none is widened for the number of comparisons on this page.",
        "Seconds to the goal are steps times the median time per step: without compilation and without evaluation, "
        "which a training that watches its own loss has to pay too.",
        "Runs side by side trained on serial kernels, steps were timed with the backend that a training by itself "
        "would choose: their bits are the same, their seconds are not.",
    ]


def _also(records: Records) -> str:
    """What is tuned beside the rate, "" for nothing."""
    found = setting.config(records).get("tune_also") or {}
    return "".join(f", {name} from {low:g} to {high:g}" for name, (low, high) in found.items())
