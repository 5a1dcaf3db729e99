"""What one sentence of a report is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["verdict", "measured", "indication", "unclear", "refused", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One sentence or two, and what they are.

    verdict: the interval bears it · measured: a number that was measured · indication: read off single runs, without
    an interval · unclear: the data cannot tell · refused: a claim that this study must not make · warning: mind this
    before you believe the rest · note: method.
    """

    text: str
    kind: Kind
