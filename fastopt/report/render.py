"""Filling a template of `templates/`: the page's ways with numbers are its filters."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from fastopt.report.figures.figure import svg
from fastopt.report.findings.finding import LABELS
from fastopt.report.numbers import difference, duration, factor, memory, number, or_never, percent, rate, span

_SHOW = {"number": number, "percent": percent, "duration": duration, "factor": factor}
_SHOW |= {"steps": or_never(number), "seconds": or_never(duration)}


def render(template: str, filling: dict[str, Any]) -> str:
    """Return the text of `template`, filled; names of values are escaped in HTML, and a missing name is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "duration": duration, "percent": percent, "rate": rate}
    environment.filters |= {
        "memory": memory,
        "factor": factor,
        "difference": difference,
        "cell": _markdown,
        "together": _together,
    }
    environment.tests |= {"nan": math.isnan, "finite": math.isfinite, "infinite": math.isinf}
    environment.globals |= {"svg": svg, "span": span, "show": _SHOW, "labels": LABELS}
    return environment.get_template(template).render(filling)


def _markdown(value: object) -> str:
    """Text for one cell of a Markdown table."""
    return " ".join(str(value).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").split())


def _together(text: str) -> str:
    """Keep a number and what it counts on one line."""
    return re.sub(r"(?<=\d) (?=%|seeds?\b|rounds?\b|epochs?\b)|(?<=batch size) (?=\d)", "\u00a0", text)
