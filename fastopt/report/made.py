"""A page before it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fastopt.report.figures import Figure

if TYPE_CHECKING:
    import pandas as pd


class Made(NamedTuple):
    """The figures, the templates (NAME.html.j2 and NAME.md.j2) with what they are filled with, the tables by name."""

    figures: list[Figure]
    template: str
    filling: dict[str, Any]
    frames: dict[str, pd.DataFrame]
