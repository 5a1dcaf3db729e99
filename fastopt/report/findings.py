"""The sentences of a report, made from the numbers with their uncertainty; what the data cannot bear is refused.

A claim that one thing beats another needs a 95 % interval of the paired ratio that leaves out 1. A claim about batch
sizes needs a learning rate tuned at each of them with the same number of trials.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from fastopt.bench.stats import Interval
from fastopt.records import Records
from fastopt.report.tables import (
    ENOUGH,
    Cell,
    best_cells,
    bounded,
    cells,
    equal_budget,
    number,
    paired_ratio,
    percent,
    rate,
    words,
)

Kind = Literal["verdict", "measured", "unclear", "refused", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One sentence or two, and what they are.

    verdict: the interval bears it · measured: a number that was measured · unclear: the data cannot tell ·
    refused: a claim that this study must not make · warning: mind this before you believe the rest · note: method.
    """

    text: str
    kind: Kind


def findings(records: Records) -> list[Finding]:
    """Return what was found, the most important first; never empty."""
    table = cells(records)
    if not any(cell.losses for cell in table):
        return [*_state(records, table), *_timing(table), *_trouble(records, table), *_method(records, table)]
    budget = equal_budget(records, table)
    found = _winner(records, table, budget)
    if budget:
        text = "No batch size is called better here: that takes a learning rate tuned at each, with equal budget, but "
        found.append(Finding(f"{text}{budget}.", "refused"))
    else:
        found += _batch_sizes(table)
    found += _timing(table)
    if not budget:
        found += _way_to_a_loss(records, table)
    return [*found, *_state(records, table), *_trouble(records, table), *_method(records, table)]


def _winner(records: Records, table: list[Cell], budget: str) -> list[Finding]:
    best = best_cells(table)
    if not best:
        return [
            Finding(
                "No optimizer reached a finite loss in more than half of its final runs at any batch size.", "verdict"
            )
        ]
    after = f"after {_epochs(records)}"
    first, *others = best
    given = f" This holds for this setting only: {budget}." if budget else ""
    if not others:
        lost = [name for name in dict.fromkeys(c.optimizer for c in table if c.losses) if name != first.optimizer]
        if lost:
            text = (
                f"Only {first.optimizer} has a finite median loss {after}: at every batch size half or more of the "
                f"final runs of {words(lost)} were lost."
            )
            return [Finding(text + given, "verdict")]
        return []
    pairs = [(cell, *paired_ratio(first.losses, cell.losses)) for cell in others]
    second, ratio, seeds = pairs[0]
    lowest = (
        f"{first.optimizer} at {first.name} has the lowest median validation loss {after}, {number(first.loss.median)}"
    )
    if any(not bounded(r) for _, r, _ in pairs):
        fewest = min(n for _, _, n in pairs)
        text = f"Cannot tell which optimizer is best: {lowest} (next: {second.optimizer} at {second.name}, "
        text += f"{number(second.loss.median)}), but {_seeds(fewest)} in common {'is' if fewest == 1 else 'are'} "
        return [Finding(f"{text}too few for a 95 % interval, which takes six.{given}", "unclear")]
    level = [(cell, r) for cell, r, _ in pairs if r.high >= 1]
    if level:
        text = f"Cannot tell the best optimizers apart: {lowest}, but 1 lies in the 95 % interval of its ratio to "
        text += words(
            f"{c.optimizer} at {c.name}, {number(r.median)} ({number(r.low)} to {number(r.high)})" for c, r in level
        )
        text += f" ({_seeds(seeds)})."
        beaten = [cell.optimizer for cell, r, _ in pairs if r.high < 1]
        if beaten:
            text += f" It is lower than the best of {words(beaten)}."
        return [Finding(text + given, "unclear")]
    text = f"{first.optimizer} wins by {percent(1 - ratio.median)} % (95 % interval {percent(1 - ratio.high)} % to "
    text += (
        f"{percent(1 - ratio.low)} %, {_seeds(seeds)}): {after} its validation loss at {first.name} is that much lower "
    )
    text += f"than that of the second best, {second.optimizer} at {second.name}."
    return [Finding(text + given, "measured" if budget else "verdict")]


def _batch_sizes(table: list[Cell]) -> list[Finding]:
    found = []
    short = []  # optimizers with too few seeds for any statement
    fewest = ENOUGH
    for first in best_cells(table):
        others = [c for c in table if c.optimizer == first.optimizer and c is not first and c.losses]
        if not others:
            continue
        others.sort(key=lambda cell: cell.loss.median)
        pairs = [(cell, *paired_ratio(first.losses, cell.losses)) for cell in others]
        if any(not bounded(r) for _, r, _ in pairs):
            short.append(first)
            fewest = min(fewest, *(n for *_, n in pairs))
            continue
        text = f"{first.optimizer}: lowest validation loss at {first.name}, "
        text += f"median {_spread(first.loss, len(first.losses))}, learning rate {rate(first.learning_rate)}"
        level = [cell for cell, r, _ in pairs if r.high >= 1]
        if level:
            text += f"; not told apart from {words(cell.name for cell in level)}."
            found.append(Finding(text, "unclear"))
            continue
        cell, ratio, _ = pairs[0]
        if ratio.low > 0:
            text += f": {percent(1 - ratio.median)} % lower than at {cell.name}, the next best "
            text += f"(95 % interval {percent(1 - ratio.high)} % to {percent(1 - ratio.low)} %)"
        else:
            text += f"; {cell.name}, the next best, diverged in at least one run"
        found.append(Finding(f"{text}.", "measured"))
    if short:
        listed = words(f"{c.name} for {c.optimizer} ({number(c.loss.median)})" for c in short)
        text = f"Cannot tell the best batch sizes from {_seeds(fewest)}; the lowest medians are at {listed}."
        found.append(Finding(text, "unclear"))
    if found:
        text = (
            "Each optimizer's best batch size was picked and judged on the same final runs, so margins lean towards the"
        )
        found.append(Finding(f"{text} winners: a margin near the edge of its interval deserves fresh seeds.", "note"))
    return found


def _ends(table: list[Cell], optimizer: str, what: Literal["losses", "epoch_times_s"]) -> tuple[Cell, Cell] | None:
    """The smallest and the largest batch size of an optimizer, of those that have this measured."""
    row = sorted((c for c in table if c.optimizer == optimizer and getattr(c, what)), key=lambda cell: cell.batch_size)
    return (row[0], row[-1]) if row and row[0].batch_size < row[-1].batch_size else None


def _compare_ends(
    table: list[Cell], what: Literal["losses", "epoch_times_s"]
) -> tuple[list[tuple[str, Interval]], Cell, Cell, int] | None:
    """For each optimizer the paired ratio largest / smallest batch size, smallest ratio first; and the fewest pairs."""
    ratios: list[tuple[str, Interval]] = []
    ends: tuple[Cell, Cell] | None = None
    fewest = 10**9
    for optimizer in dict.fromkeys(cell.optimizer for cell in table):
        pair = _ends(table, optimizer, what)
        if pair is None:
            continue
        small, large = pair
        ratio, n = paired_ratio(getattr(large, what), getattr(small, what))
        if n == 0 or math.isnan(ratio.median):
            continue
        if ends and (ends[0].batch, ends[1].batch) != (small.batch, large.batch):
            continue  # an unfinished study: only optimizers measured at the same two ends are put side by side
        ends = pair
        fewest = min(fewest, n)
        ratios.append((optimizer, ratio))
    if ends is None:
        return None
    return sorted(ratios, key=lambda item: item[1].median), *ends, fewest


def _timing(table: list[Cell]) -> list[Finding]:
    compared = _compare_ends(table, "epoch_times_s")
    if compared is None:
        return []
    ratios, small, large, rounds = compared
    factors = [(name, Interval(1 / r.median, 1 / r.high, 1 / r.low)) for name, r in reversed(ratios)]  # how much faster
    span = f"from {small.name} to {large.name}"
    if any(not bounded(r) for _, r in factors):
        text = (
            f"Time per epoch {span} falls by a factor of {_range(factors)} by the medians, but {rounds} timing rounds "
        )
        return [
            Finding(f"{text}are too few for a 95 % interval, which takes six: cannot tell how sure that is.", "unclear")
        ]
    detail = f"{_range(factors)}, {rounds} rounds timed alone on the machine"
    if small.threads != large.threads:
        detail += f", {_threads(small)} at {small.name} and {_threads(large)} at {large.name}"
    if all(r.low > 1 for _, r in factors):
        text = f"Larger batches shorten an epoch: {span} it takes less time by a factor of {detail}."
    elif all(r.high < 1 for _, r in factors):
        text = f"Larger batches do not shorten an epoch here: {span} it takes longer, by a time ratio of {detail}."
    else:
        text = "Whether larger batches shorten an epoch depends on the optimizer or cannot be told: "
        return [Finding(f"{text}{span} the time falls by a factor of {detail}.", "unclear")]
    fastest = Counter[str]()
    for optimizer in dict.fromkeys(cell.optimizer for cell in table):
        row = [c for c in table if c.optimizer == optimizer and c.epoch_times_s]
        if row:
            fastest[min(row, key=lambda c: c.epoch_time_s.median).name] += 1
    name, votes = fastest.most_common(1)[0]
    if name != large.name and votes == fastest.total():
        text += f" The shortest median epoch is at {name}, not at the largest batch."
    return [Finding(text, "measured")]


def _way_to_a_loss(records: Records, table: list[Cell]) -> list[Finding]:
    compared = _compare_ends(table, "losses")
    if compared is None:
        return []
    ratios, small, large, seeds = compared
    lost = [name for name, ratio in ratios if math.isinf(ratio.median)]
    ratios = [(name, ratio) for name, ratio in ratios if 0 < ratio.median < math.inf]
    if not ratios:
        return []
    after = f"after the same {_epochs(records)}"
    updates = ""
    if math.isfinite(small.steps) and math.isfinite(large.steps):
        updates = (
            f" {_capital(large.name)} made {number(large.steps)} updates in them, {small.name} {number(small.steps)}."
        )
    if lost:
        updates += f" At {large.name} {words(lost)} diverged."
    if any(not bounded(r) for _, r in ratios):
        text = f"Whether larger batches shorten the way to a low loss cannot be told from {_seeds(seeds)}: {after} the "
        text += f"validation loss at {large.name} is {_range(ratios)} times that at {small.name} by the medians."
        return [Finding(text + updates, "unclear")]
    detail = (
        f"{after}, each cell at its own tuned rate, the validation loss at {large.name} is {_range(ratios)} times that "
    )
    detail += f"at {small.name} ({_seeds(seeds)}).{updates}"
    if all(r.low > 1 for _, r in ratios):
        return [Finding(f"An epoch of larger batches does less: {detail}", "measured")]
    if all(r.high < 1 for _, r in ratios):
        return [Finding(f"Larger batches lose nothing per epoch here: {detail}", "measured")]
    level = words(name for name, r in ratios if r.low <= 1 <= r.high)
    return [
        Finding(
            f"What an epoch of larger batches achieves cannot be told for {level or 'all alike'}: {detail}", "unclear"
        )
    ]


def _state(records: Records, table: list[Cell]) -> list[Finding]:
    """What is missing."""
    found = []
    status = records.meta.get("status")
    if status == "interrupted":
        found.append(Finding("This study was interrupted; the page shows what was recorded until then.", "warning"))
    elif status != "finished":
        found.append(Finding("This study is not finished; the page shows what is recorded so far.", "warning"))
    bare = [cell for cell in table if not cell.losses]
    if not table:
        found.append(Finding("Nothing is recorded yet.", "warning"))
    elif len(bare) == len(table):
        found.append(Finding("No final run is recorded: nothing can be said about the optimizers yet.", "warning"))
    elif bare:
        hopeless = [cell for cell in bare if 0 < cell.trials == cell.trials_diverged]
        waiting = [cell for cell in bare if cell not in hopeless]
        for cells, why in ((hopeless, "diverged at every rate tried, so they"), (waiting, "have no final run yet and")):
            if cells:
                text = f"{len(cells)} of {len(table)} cells {why} take no part: "
                found.append(Finding(f"{text}{_list(f'{c.optimizer} at {c.name}' for c in cells)}.", "warning"))
    wanted = len(records.meta.get("config", {}).get("seeds", ()))
    short = [cell for cell in table if 0 < len(cell.losses) < wanted]
    if short:
        text = f"{len(short)} of {len(table)} cells have fewer than the {wanted} final runs asked for: "
        found.append(Finding(f"{text}{_list(f'{c.optimizer} at {c.name}' for c in short)}.", "warning"))
    untimed = [cell for cell in table if not cell.epoch_times_s]
    if table and len(untimed) == len(table):
        text = "No timings are recorded: this page says nothing about time per step or epoch, or seconds to a loss."
        found.append(Finding(text, "warning"))
    elif untimed:
        text = f"{len(untimed)} of {len(table)} cells have no timings: "
        found.append(Finding(f"{text}{_list(f'{c.optimizer} at {c.name}' for c in untimed)}.", "warning"))
    return found


def _trouble(records: Records, table: list[Cell]) -> list[Finding]:
    found = []
    edges = [cell for cell in table if cell.edge]
    if edges:
        text = f"The chosen learning rate is the lowest or highest one tried in {len(edges)} of {len(table)} cells, so "
        text += "a better one may lie outside: "
        listed = _list(f"{c.optimizer} at {c.name} ({c.edge}, {rate(c.learning_rate)})" for c in edges)
        found.append(Finding(f"{text}{listed}.", "warning"))
    finals = sum(cell.finals for cell in table)
    for status, does in (("diverged", "diverged"), ("failed", "failed")):
        bad = [cell for cell in table if getattr(cell, status)]
        if bad:
            text = (
                f"{sum(getattr(c, status) for c in bad)} of {number(finals)} final runs {does}, and count as the worst "
            )
            listed = _list(f"{c.optimizer} at {c.name} ({getattr(c, status)} of {c.finals})" for c in bad)
            found.append(Finding(f"{text}of their cell: {listed}.", "warning"))
    cut = sum(cell.interrupted for cell in table)
    if cut:
        found.append(Finding(f"{cut} of {number(finals)} final runs were interrupted and are left out.", "warning"))
    if finals and not any(cell.diverged or cell.failed or cell.interrupted for cell in table):
        found.append(Finding(f"All {number(finals)} final runs finished; none diverged.", "note"))
    return found


def _method(records: Records, table: list[Cell]) -> list[Finding]:
    config = records.meta.get("config", {})
    ranges = config.get("learning_rate_ranges") or {}
    trials = sum(cell.trials for cell in table)
    if config.get("learning_rate") is not None or not config.get("tune") or not trials:
        return []
    lost = sum(cell.trials_diverged for cell in table)
    text = f"Learning rates were chosen on validation loss from {config['tune']} trials per cell"
    if ranges:
        searched = words(f"{rate(low)} to {rate(high)} for {name}" for name, (low, high) in ranges.items())
        text += f", log-uniform, {searched}"
    return [Finding(f"{text}; {number(lost)} of {number(trials)} trials diverged.", "note")]


# --- parts of sentences -----------------------------------------------------------------------------------------------


def _epochs(records: Records) -> str:
    epochs = records.meta.get("config", {}).get("epochs")
    if epochs is None:
        return "equal epochs"
    return f"{number(float(epochs))} epoch{'s' if epochs != 1 else ''}"


def _threads(cell: Cell) -> str:
    return f"{cell.threads} thread{'s' * (cell.threads != 1)}"


def _seeds(n: int) -> str:
    return f"{n} seed{'s' if n != 1 else ''}"


def _ratio(interval: Interval) -> str:
    low, high = (f"{value:.3f}" if value < 10 else _factor(value) for value in (interval.low, interval.high))
    return f"{interval.median:.3f} (95 % interval {low} to {high})"


def _factor(value: float) -> str:
    return "infinity" if math.isinf(value) else f"{value:#.3g}".rstrip(".") if value < 1000 else number(value)


def _range(ratios: list[tuple[str, Interval]]) -> str:
    """The smallest and the largest of some ratios, each with its optimizer and interval."""
    shown = [ratios[0], ratios[-1]] if len(ratios) > 1 else ratios
    parts = []
    for i, (name, r) in enumerate(sorted(shown, key=lambda item: item[1].median)):
        interval = ""
        if bounded(r):
            label = "95 % interval " if i == 0 else ""
            interval = f", {label}{_factor(r.low)} to {_factor(r.high)}"
        parts.append(f"{_factor(r.median)} ({name}{interval})")
    return " to ".join(parts)


def _spread(interval: Interval, n: int) -> str:
    if bounded(interval):
        return (
            f"{number(interval.median)} (95 % interval {number(interval.low)} to {number(interval.high)}, {_seeds(n)})"
        )
    return f"{number(interval.median)} ({_seeds(n)}{', too few for an interval' if n < ENOUGH else ''})"


def _list(items: object, most: int = 6) -> str:
    listed = list(items)  # type: ignore[call-overload]
    more = len(listed) - most
    return words([*listed[:most], f"{more} more (see the summary table)"]) if more > 0 else words(listed)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
