"""What the gate found: one result for each row, and what they come to."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fastopt.bench.stats import Interval

# The chance that any row without a change is called slower, after correction; and that any is called faster.
ALPHA = 0.05
# When more than this share of the rows could not be told, the whole could not be told.
UNTOLD_SHARE = 0.25

FINE, WORSE, NOTHING_COMPARED, UNTOLD = 0, 1, 3, 4

Key = tuple[str, str]  # of a row: the case, or the optimizer, in one text; then the contender, or the batch size


class Outcome(StrEnum):
    """What may be said of one row."""

    SLOWER = "slower"
    FAILS = "fails now"
    FASTER = "faster"
    WITHIN = "within"
    UNTOLD = "cannot be told"
    UNCONFIRMED = "slower once, not again"
    SUSPECTED = "perhaps slower"


BAD = (Outcome.SLOWER, Outcome.FAILS)


@dataclass(frozen=True)
class Result:
    """One row, in both runs.

    key, name         its identity, and how it is called
    group             the kind of the case, or "convergence"
    baseline, current seconds per unit of work, or steps to the goal: the median, nan where there is none
    ratio             current over baseline, with its 95 % interval
    threshold         smallest relative change that matters, such as 0.05
    floor             smallest relative change that may be called real here
    smallest_visible  smallest relative change that would have been called; inf if none, nan where not known
    p_value           of "not slower beyond the floor", corrected for all rows; 1 if nothing is known
    outcome, reason   what may be said, and why where that is not plain from the numbers
    """

    key: Key
    name: str
    group: str
    baseline: float
    current: float
    ratio: Interval
    threshold: float
    floor: float
    smallest_visible: float
    p_value: float
    outcome: Outcome
    reason: str = ""

    def record(self) -> dict[str, Any]:
        """Return the result as a JSON-able dict, null for numbers that are not known or not finite."""
        record = {**dataclasses.asdict(self), "ratio": self.ratio._asdict(), "outcome": self.outcome.value}
        del record["key"]
        return {name: _finite(value) for name, value in record.items()}


@dataclass(frozen=True)
class Gated:
    """All results, and notes in sentences."""

    results: Sequence[Result]
    notes: Sequence[str] = field(default_factory=tuple)

    def with_outcome(self, *outcomes: Outcome) -> list[Result]:
        """Return the results of these outcomes."""
        return [result for result in self.results if result.outcome in outcomes]

    @property
    def bad(self) -> list[Result]:
        """The rows that are slower, or fail."""
        return self.with_outcome(*BAD)

    @property
    def exit_code(self) -> int:
        """0 fine, 1 slower or failing, 3 nothing was comparable, 4 cannot be told."""
        if self.bad:
            return WORSE
        if not self.results:
            return NOTHING_COMPARED
        untold = self.with_outcome(Outcome.UNTOLD, Outcome.UNCONFIRMED, Outcome.SUSPECTED)
        if len(untold) > UNTOLD_SHARE * len(self.results) or self.with_outcome(Outcome.SUSPECTED):
            return UNTOLD
        return FINE

    @property
    def summary(self) -> str:
        """One line such as "213 rows compared: 0 slower, 3 faster, 190 within, 20 too noisy to see 5 %"."""
        if not self.results:
            return "no rows could be compared"
        count = Counter(result.outcome for result in self.results)
        parts = [f"{count[outcome]} {outcome}" for outcome in (Outcome.SLOWER, Outcome.FASTER, Outcome.WITHIN)]
        rare = (Outcome.FAILS, Outcome.UNCONFIRMED, Outcome.SUSPECTED)
        parts[1:1] = [f"{count[outcome]} {outcome}" for outcome in rare if count[outcome]]
        sizes = {result.threshold for result in self.results}
        size = percent(sizes.pop()) if len(sizes) == 1 else "their thresholds"
        parts.append(f"{count[Outcome.UNTOLD]} too noisy to see {size}")
        return f"{counted(len(self.results), 'row')} compared: {', '.join(parts)}"

    def record(self) -> dict[str, Any]:
        """Return everything as a JSON-able dict."""
        rows = [result.record() for result in self.results]
        return {"exit_code": self.exit_code, "summary": self.summary, "notes": list(self.notes), "rows": rows}


def percent(share: float) -> str:
    """Return a share such as 0.05 as "5 %"."""
    return f"{100 * share:.3g} %"


def counted(n: int, noun: str) -> str:
    """Return a number and its noun: "1 row", "6 rows"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
