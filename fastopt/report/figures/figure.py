"""A figure is a set of small panels, and turns into SVG elements for the page and one PNG.

A panel is drawn twice: alone, as SVG for the HTML page, where the panels flow with the width of the screen; and side by
side with the others of its figure, as PNG.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fastopt.report.figures.look import PANEL, style
from fastopt.report.files import replace
from fastopt.report.numbers import short

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


ENLARGED = 1.3  # of its own size, the most that a panel grows to on a wide screen


@dataclass(frozen=True)
class Panel:
    title: str
    draw: Callable[[Axes], None]
    alt: str  # for those who cannot see it


@dataclass(frozen=True)
class Figure:
    """`data` is what the panels draw, written beside the PNG; without it nothing is drawn, and `missing` says why."""

    key: str
    title: str
    caption: str
    panels: Sequence[Panel] = ()
    data: pd.DataFrame | None = None
    columns: int = 3  # side by side, on paper and on a wide screen
    size: tuple[float, float] = PANEL  # of one panel, inches
    folded: bool = False  # whether the page shows it on request only
    missing: str = ""


def svg(figure: Figure, index: int) -> str:
    """Return one panel as an <svg> element to put into a page: no size of its own, ids that clash with no other."""
    from matplotlib.figure import Figure as Canvas

    panel = figure.panels[index]
    with style():
        canvas = Canvas(figsize=figure.size, layout="constrained", facecolor="none")
        axes = canvas.subplots()
        axes.set_facecolor("none")
        axes.set_title(short(panel.title), loc="left", fontweight="bold")
        panel.draw(axes)
        buffer = io.StringIO()
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        canvas.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    prefix = f"{figure.key}-{index}-"
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = text.replace("url(#", f"url(#{prefix}").replace('xlink:href="#', f'href="#{prefix}')
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]*"', text)
    widest = f"max-width:{figure.size[0] * 96 * ENLARGED:.0f}px"  # 96 CSS pixels are an inch
    head = f'<svg role="img" aria-label="{_attribute(panel.alt)}" {box.group(0) if box else ""} style="{widest}">'
    return re.sub(r"<svg[^>]*>", lambda _: head, text, count=1)


def png(figure: Figure, path: Path) -> None:
    """Write all panels of a figure side by side."""
    from matplotlib.figure import Figure as Canvas

    columns = min(figure.columns, len(figure.panels))
    rows = -(-len(figure.panels) // columns)
    with style():
        canvas = Canvas(figsize=(figure.size[0] * columns, figure.size[1] * rows), layout="constrained")
        grid = canvas.subplots(rows, columns, squeeze=False).flat
        for axes, panel in zip(grid, figure.panels, strict=False):
            axes.set_title(short(panel.title), loc="left", fontweight="bold")
            panel.draw(axes)
        for axes in grid[len(figure.panels) :]:
            axes.set_axis_off()
        canvas.savefig(path, dpi=130, metadata={"Software": None})


def write_figures(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Write each figure that has data into `folder`, as PNG with its data as CSV beside it; return the files."""
    folder.mkdir(exist_ok=True)
    written = []
    for figure in figures:
        if figure.data is not None:
            image, data = folder / f"{figure.key}.png", folder / f"{figure.key}.csv"
            replace(image, partial(png, figure))
            replace(data, partial(figure.data.to_csv, index=False))
            written += [image, data]
    return written


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
