"""What one sentence of a report is, and what its kinds are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["verdict", "measured", "indication", "unclear", "refused", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One sentence or two, and what they are.

    verdict: the interval bears it · measured: a number that was measured · indication: read off single runs, without
    an interval · unclear: the data cannot tell · refused: a claim that this study must not make · warning: mind this
    before you believe the rest · note: method. `points` say it one by one.
    """

    text: str
    kind: Kind
    points: tuple[str, ...] = ()


LABELS: dict[Kind, str] = {
    "verdict": "verdict",
    "measured": "measured",
    "indication": "indication",
    "unclear": "cannot tell",
    "refused": "not claimed",
    "warning": "mind",
    "note": "note",
}
