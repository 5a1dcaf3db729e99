"""The page of `benchmarks/gpu.py`: summary.md, page.html and two figures, made from its records alone.

`python benchmarks/gpu.py` makes it after every part.
"""

from __future__ import annotations

import base64
import html
import importlib.util
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastopt.bench.stats import Interval, median_interval, ratio_interval


def cells(records: dict[str, Any]) -> dict[tuple[str, int], dict[str, dict[str, Any]]]:
    """Return the timing rows by (optimizer, size), in order, and contender; a part that failed as a whole has none."""
    table: dict[tuple[str, int], dict[str, dict[str, Any]]] = {}
    for row in records["timings"]:
        cell = table.setdefault((row["optimizer"], row["size"]), {})
        if "contender" in row:
            cell[row["contender"]] = row
    return dict(sorted(table.items()))


def samples(row: dict[str, Any] | None, clock: str) -> dict[int, float]:
    """Return the samples of a clock ("wall_s", "event_s", "cold_event_s") by round."""
    if row is None or row["status"] != "timed":
        return {}
    return {sample["round"]: sample[clock] for sample in row["samples"] if sample.get(clock)}


def ratio(top: dict[str, Any] | None, bottom: dict[str, Any] | None, clock: str) -> Interval:
    """Return how many times longer `top` takes, by rounds that both took part in; nan throughout without any."""
    above, below = samples(top, clock), samples(bottom, clock)
    both = sorted(above.keys() & below.keys())
    return ratio_interval([above[number] for number in both], [below[number] for number in both])


def times(value: Interval, digits: int = 2) -> str:
    """Return a ratio with its interval in words."""
    if math.isnan(value.median):
        return "-"
    interval = f" ({value.low:.{digits}f} to {value.high:.{digits}f})" if value.known else ""
    return f"{value.median:.{digits}f}{interval}"


def microseconds(row: dict[str, Any] | None, clock: str) -> str:
    found = median_interval(list(samples(row, clock).values())).median
    return "-" if math.isnan(found) else f"{found * 1e6:.4g}"


HEADER = (
    "optimizer", "elements", "fastopt, us", "of copy", "torch fused / ours", "torch foreach / ours",
    "torch compiled / ours", "fastopt by the wall, us", "torch fused / ours, wall", "optax / ours, wall",
)  # fmt: skip


def table(records: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the lines of the table of timings: cold by events, then hot by the wall."""
    lines = []
    for (optimizer, size), cell in cells(records).items():
        ours = cell.get("fastopt")
        cold = [
            times(ratio(cell.get(f"torch {kind}"), ours, "cold_event_s")) for kind in ("fused", "foreach", "compiled")
        ]
        wall = [times(ratio(cell.get(name), ours, "wall_s")) for name in ("torch fused", "optax")]
        copied = times(ratio(cell.get("copy"), ours, "cold_event_s"))
        here = microseconds(ours, "cold_event_s"), copied, *cold, microseconds(ours, "wall_s"), *wall
        lines.append((optimizer, f"{size:.0e}".replace("+0", ""), *here))
    return lines


def exceptions(records: dict[str, Any]) -> list[str]:
    """Return one line for everything that did not pass or was not timed."""
    lines = []
    for row in [*records["checks"], *records["timings"]]:
        if row["status"] not in ("passed", "timed"):
            name = [str(row[key]) for key in ("what", "optimizer", "contender", "rule", "dtype", "size") if key in row]
            lines.append(f"{' '.join(name)}: {row['status']}: {row['reason']}")
    return lines


def facts(records: dict[str, Any]) -> list[str]:
    """Return what was checked and where, in lines."""
    found, checks = records["environment"], records["checks"]
    passed = sum(row["status"] == "passed" for row in checks)
    worst = {
        dtype: max((row["error"] for row in checks if row.get("error") and row["dtype"] == dtype), default=0.0)
        for dtype in ("float32", "float64")
    }
    where = found.get("device", {}).get("name", "the simulator" if found.get("simulated") else "an unknown device")
    return [
        f"Measured on {where}, {records['created']}, commit {found.get('commit') or 'unknown'}.",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in found.get("versions", {}).items()) + ".",
        f"Checks against the oracle: {passed} of {len(checks)} passed; largest error "
        f"{worst['float32'] * 2**24:.1f} units of 2^-24 in float32, {worst['float64']:.1e} in float64.",
        "The study was finished."
        if records["finished"]
        else "The study was interrupted: what follows is a part of it.",
    ]


EXPLANATION = (
    "Times are medians. The first five columns after the size: one step at a time, L2 cache cold, by CUDA events. The "
    'last three: many steps in a row, L2 cache hot, by the wall, launches included. "of copy": the time of a copy by '
    "the driver that moves the same bytes, divided by ours. Ratios above 1: fastopt is faster; in brackets a "
    "nonparametric 95 % interval of the median of paired rounds."
)


def markdown(records: dict[str, Any]) -> str:
    """Return summary.md."""
    lines = ["# CUDA kernels", "", *(line + "  " for line in facts(records)), ""]
    if records["timings"]:
        lines += [EXPLANATION, "", f"| {' | '.join(HEADER)} |", "|" + "---|" * len(HEADER)]
        lines += [f"| {' | '.join(line)} |" for line in table(records)]
    if found := exceptions(records):
        lines += ["", "## Not passed, or not timed", "", *(f"- {line}" for line in found)]
    return "\n".join(lines) + "\n"


def page(records: dict[str, Any], pictures: Sequence[Path]) -> str:
    """Return page.html, self-contained: the pictures are in it."""

    def row(cells: Sequence[str], kind: str) -> str:
        return "<tr>" + "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in cells) + "</tr>"

    parts = [f"<p>{html.escape(line)}</p>" for line in facts(records)]
    if records["timings"]:
        body = "\n".join(row(line, "td") for line in table(records))
        parts += [f"<p>{html.escape(EXPLANATION)}</p>", f"<div><table>{row(HEADER, 'th')}\n{body}</table></div>"]
    for path in pictures:
        image = base64.b64encode(path.read_bytes()).decode()
        parts.append(f'<img alt="{html.escape(path.stem)} against size" src="data:image/png;base64,{image}">')
    if found := exceptions(records):
        parts += [
            "<h2>Not passed, or not timed</h2><ul>",
            *(f"<li>{html.escape(line)}</li>" for line in found),
            "</ul>",
        ]
    style = (
        "body{font:16px/1.5 sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#222}div{overflow-x:auto}"
        "table{border-collapse:collapse;font-size:14px}td,th{padding:.2rem .6rem;text-align:right;border-bottom:1px "
        "solid #ddd}img{max-width:100%}"
    )
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>CUDA kernels</title>'
    return f"{head}<style>{style}</style><h1>CUDA kernels</h1>\n" + "\n".join(parts) + "</html>\n"


COLOURS = {  # Okabe & Ito 2008
    "fastopt": "#D55E00",
    "copy": "#000000",
    "torch fused": "#0072B2",
    "torch foreach": "#56B4E9",
    "torch compiled": "#009E73",
    "optax": "#CC79A7",
}


def figures(records: dict[str, Any], folder: Path) -> list[Path]:
    """Write time.png and bandwidth.png, one panel per optimizer; nothing without matplotlib or timings."""
    found = cells(records)
    optimizers = list(dict.fromkeys(optimizer for optimizer, _ in found))
    if not optimizers or importlib.util.find_spec("matplotlib") is None:
        return []
    from matplotlib.figure import Figure

    written = []
    for name, label in (("time", "microseconds per step, hot, by the wall"), ("bandwidth", "fraction of copy, cold")):
        canvas = Figure(figsize=(4.2 * len(optimizers), 3.4), layout="constrained")
        for axes, optimizer in zip(canvas.subplots(1, len(optimizers), squeeze=False)[0], optimizers, strict=True):
            panel = {size: cell for (which, size), cell in found.items() if which == optimizer}
            for contender, colour in COLOURS.items():
                draw = _draw_time if name == "time" else _draw_fraction
                points = [(size, draw(cell, contender)) for size, cell in panel.items()]
                points = [(size, value) for size, value in points if math.isfinite(value)]
                if points:
                    axes.plot(*zip(*points, strict=True), marker="o", markersize=4, color=colour, label=contender)
            axes.set_xscale("log")
            axes.set_yscale("log" if name == "time" else "linear")
            axes.set(title=optimizer, xlabel="elements", ylabel=label)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
        written.append(folder / f"{name}.png")
        canvas.savefig(written[-1], dpi=130)
    return written


def _draw_time(cell: dict[str, Any], contender: str) -> float:
    return median_interval(list(samples(cell.get(contender), "wall_s").values())).median * 1e6


def _draw_fraction(cell: dict[str, Any], contender: str) -> float:
    return ratio(cell.get("copy"), cell.get(contender), "cold_event_s").median


def write_page(folder: Path) -> None:
    """Make summary.md, the figures and page.html from records.json in `folder`."""
    records = json.loads((folder / "records.json").read_text())
    replace(folder / "summary.md", markdown(records).encode())
    try:
        pictures = figures(records, folder)
    except Exception as error:  # a page without pictures is better than none
        print(f"no figures: {one_line(error)}", file=sys.stderr)
        pictures = []
    replace(folder / "page.html", page(records, pictures).encode())


def one_line(error: BaseException) -> str:
    """Return kind and first line of an error."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text}"[:300]


def replace(path: Path, content: bytes) -> None:
    """Put `content` in the place of what `path` held: a reader sees the old file or the new one."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
