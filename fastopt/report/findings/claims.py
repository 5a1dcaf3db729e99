"""The course notes' claim about batch size and time, and what an equal budget achieves at larger batches."""

from __future__ import annotations

import math
from collections import Counter

from fastopt.records import Records
from fastopt.report import setting
from fastopt.report.cells import Cell
from fastopt.report.findings.ends import Ends, compare_ends
from fastopt.report.findings.finding import Finding
from fastopt.report.findings.phrases import capital, inverse, ratio_range, seeds, threads
from fastopt.report.numbers import count, number, words

CLAIM = 'The course notes say that "larger batches shorten an epoch"'


def epoch_time(table: list[Cell]) -> list[Finding]:
    """Return the verdict on the claim: time per epoch at the largest batch size against the smallest."""
    compared = compare_ends(table, lambda cell: cell.epoch_times_s)
    if compared is None:
        why = not_compared([cell for cell in table if cell.epoch_times_s], "no timings are recorded")
        return [Finding(f"{CLAIM}: not tested here, {why}.", "refused")] if table else []
    small, large = compared.small, compared.large
    factors = [(name, inverse(ratio)) for name, ratio in reversed(compared.ratios)]  # how much faster
    span = f"from {small.name} to {large.name}"
    if not compared.bounded:
        text = f"{CLAIM}: cannot tell. By the medians the time per epoch falls {span} by a factor of "
        text += f"{ratio_range(factors)}, but {count(compared.pairs, 'timing round')} "
        text += f"{'is' if compared.pairs == 1 else 'are'} too few for a 95 % interval, which takes six."
        return [Finding(text, "unclear")]
    detail = f"{ratio_range(factors)}, {compared.pairs} rounds timed alone on the machine"
    if small.threads != large.threads:
        detail += f", {threads(small)} at {small.name} and {threads(large)} at {large.name}"
    if all(ratio.low > 1 for _, ratio in factors):
        text = f"{CLAIM}: here they do. {capital(span)} it takes less time by a factor of {detail}."
    elif all(ratio.high < 1 for _, ratio in factors):
        text = f"{CLAIM}: here they do not. {capital(span)} it takes longer: the time falls by a factor of {detail}."
    else:
        text = f"{CLAIM}: here that depends on the optimizer, or cannot be told. "
        return [Finding(f"{text}{capital(span)} the time falls by a factor of {detail}.", "unclear")]
    return [Finding(text + _not_at_the_end(table, large), "measured")]


def _not_at_the_end(table: list[Cell], large: Cell) -> str:
    """Say so where all optimizers have their shortest epoch at one batch size in between."""
    fastest = Counter[str]()
    for optimizer in dict.fromkeys(cell.optimizer for cell in table):
        row = [c for c in table if c.optimizer == optimizer and c.epoch_times_s]
        if row:
            fastest[min(row, key=lambda c: c.epoch_time_s.median).name] += 1
    name, votes = fastest.most_common(1)[0]
    if name == large.name or votes < fastest.total():
        return ""
    return f" The shortest median epoch is at {name}, not at the largest batch."


def equal_budget_loss(records: Records, table: list[Cell]) -> list[Finding]:
    """Return what an equal budget achieves at both ends; every rate must have been tuned."""
    compared = compare_ends(table, lambda cell: cell.losses)
    if compared is None:
        return []
    small, large = compared.small, compared.large
    lost = [name for name, ratio in compared.ratios if math.isinf(ratio.median)]
    won = [name for name, ratio in compared.ratios if ratio.median == 0.0]
    ratios = [(name, ratio) for name, ratio in compared.ratios if 0.0 < ratio.median < math.inf]
    both = [name for name, ratio in ratios if _both_lost(table, name, small, large)]
    ratios = [(name, ratio) for name, ratio in ratios if name not in both]
    beside = _updates(records, small, large)
    if shared := setting.shared_clock(records):
        beside += f" Mind that {shared}."
    for names, where in ((lost, large.name), (won, small.name), (both, "both")):
        if names:
            beside += f" At {where} half or more of the runs of {words(names)} were lost."
    after = f"after the same {setting.budget_words(records)}"
    if not ratios:
        text = f"What larger batches achieve cannot be told: {after} no optimizer has a finite median loss at both "
        return [Finding(f"{text}{small.name} and {large.name}.{beside}", "unclear")]
    subject = SUBJECTS[setting.clock(records)]
    if not Ends(ratios, small, large, compared.pairs).bounded:
        text = f"What {subject} achieves cannot be told from {seeds(compared.pairs)}: {after} the validation loss at "
        text += f"{large.name} is {ratio_range(ratios)} times that at {small.name} by the medians."
        return [Finding(text + beside, "unclear")]
    detail = f"{after}, each cell at its own tuned rate, the validation loss at {large.name} is {ratio_range(ratios)} "
    detail += f"times that at {small.name} ({seeds(compared.pairs)}).{beside}"
    if all(ratio.low > 1 for _, ratio in ratios):
        return [Finding(f"{capital(subject)} does less: {detail}", "measured")]
    if all(ratio.high < 1 for _, ratio in ratios):
        return [Finding(f"{capital(subject)} does more here: {detail}", "measured")]
    level = words(name for name, ratio in ratios if ratio.low <= 1 <= ratio.high)
    told = f"cannot be told for {level}" if level else "depends on the optimizer"
    return [Finding(f"What {subject} achieves {told}: {detail}", "unclear")]


SUBJECTS = {
    "epochs": "an epoch of larger batches",
    "steps": "a step of a larger batch",
    "samples": "the same number of samples in larger batches",
    "seconds": "the same training time with larger batches",
    "": "the same budget with larger batches",
}


def _both_lost(table: list[Cell], optimizer: str, small: Cell, large: Cell) -> bool:
    ends = [c for c in table if c.optimizer == optimizer and c.batch in (small.batch, large.batch)]
    return all(math.isinf(cell.loss.median) for cell in ends)


def _updates(records: Records, small: Cell, large: Cell) -> str:
    """What the budget came to at both ends, in what it does not fix."""
    steps = setting.clock(records) == "steps"
    ends = [cell.samples if steps else cell.steps for cell in (large, small)]
    if not all(math.isfinite(end) for end in ends):
        return ""
    did, what = ("read", "samples") if steps else ("made", "updates")
    return f" {capital(large.name)} {did} {number(ends[0])} {what} in them, {small.name} {number(ends[1])}."


def not_compared(measured: list[Cell], nothing: str) -> str:
    """Say why the two ends were not compared; `nothing` is the reason where no cell was measured."""
    if not measured:
        return nothing
    sizes = {cell.batch_size for cell in measured}
    if len(sizes) == 1:
        return f"it was measured at {measured[0].name} only"
    return "no optimizer was measured at two batch sizes that can be compared"
