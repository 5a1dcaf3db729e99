"""The figures of a report: each a set of small panels, drawn from the records with matplotlib's object interface.

A panel is drawn twice: alone, as SVG for the HTML page, where the panels flow with the width of the screen; and side
by side with the others of its figure, as PNG. One optimizer has one colour (Okabe & Ito) and one marker everywhere.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastopt.bench.stats import Interval
from fastopt.records import Records
from fastopt.report.tables import ENOUGH, Cell, best_cells, cells, known, number, ranked_interval, rate, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito 2008, safe for colour-blind readers; the two palest come last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
INK, FAINT = "#222222", "#d9d9d9"
PANEL = (4.1, 3.1)  # inches; 394 CSS pixels wide
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",  # text stays text: small, selectable, sharp
    "svg.hashsalt": "fastopt",  # the same records give the same bytes
    "text.parse_math": False,  # a "$" in a user's optimizer is a "$"
}


@dataclass(frozen=True)
class Panel:
    title: str
    draw: Callable[[Axes], None]
    alt: str  # for those who cannot see it


@dataclass(frozen=True)
class Figure:
    """`panels` is empty where the records lack the data; `missing` then says what."""

    key: str
    title: str
    caption: str
    data: str  # the file beside the page that holds its numbers
    panels: Sequence[Panel] = ()
    columns: int = 3  # of the PNG
    size: tuple[float, float] = PANEL
    missing: str = ""


def figures(records: Records) -> list[Figure]:
    """Return the figures of the page in their order, those without data included."""
    table = cells(records)
    look = _looks(table)
    curves = {} if records.curves.empty else _curves(records)
    return [
        _loss_of_the_best(table, curves, look),
        _loss_by_batch(table, curves, look),
        _time(records, table, look),
        _valley(records, table, curves),
        _heat_map(records, table),
    ]


def svg(figure: Figure, index: int) -> str:
    """Return one panel as an <svg> element to put into a page: no size of its own, ids that clash with no other."""
    from matplotlib.figure import Figure as Canvas

    panel = figure.panels[index]
    with _style():
        canvas = Canvas(figsize=figure.size, layout="constrained")
        axes = canvas.subplots()
        axes.set_title(_short(panel.title), loc="left", fontweight="bold")
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
    head = f'<svg role="img" aria-label="{_attribute(panel.alt)}" {box.group(0) if box else ""}'
    return re.sub(r"<svg[^>]*>", lambda _: f'{head} style="max-width:{figure.size[0] * 96:.0f}px">', text, count=1)


def png(figure: Figure, path: Path) -> None:
    """Write all panels of a figure side by side."""
    from matplotlib.figure import Figure as Canvas

    columns = min(figure.columns, len(figure.panels))
    rows = -(-len(figure.panels) // columns)
    with _style():
        canvas = Canvas(figsize=(figure.size[0] * columns, figure.size[1] * rows), layout="constrained")
        grid = canvas.subplots(rows, columns, squeeze=False).flat
        for axes, panel in zip(grid, figure.panels, strict=False):
            axes.set_title(_short(panel.title), loc="left", fontweight="bold")
            panel.draw(axes)
        for axes in grid[len(figure.panels) :]:
            axes.set_axis_off()
        canvas.savefig(path, dpi=130, metadata={"Software": None})


# --- the five figures -------------------------------------------------------------------------------------------------


def _loss_of_the_best(table: list[Cell], curves: _Curves, look: _Looks) -> Figure:
    key, title = "loss_at_best_batch_size", "Loss at each optimizer's best batch size"
    best = [cell for cell in best_cells(table) if (cell.optimizer, cell.batch) in curves]
    caption = "Each optimizer at the batch size where its median validation loss is lowest at the end. "
    caption += _band(best) + " The same curves against three clocks: epochs, update steps, and training seconds."
    if not best:
        return Figure(key, title, caption, "curves.csv", missing="no final run with a finite loss is recorded")
    timed = [cell for cell in best if cell.step_times_s]
    if timed:
        caption += " Seconds are steps times the median time per step, timed alone on the machine (timings.csv)"
        caption += (
            "." if len(timed) == len(best) else f"; {words(c.optimizer for c in best if c not in timed)} not timed."
        )
    else:
        caption += " No seconds: no timings are recorded."
    unit, scale = _unit([cell.training_time_s for cell in timed])
    clocks = (("epoch", "epochs", 1.0), ("step", "update steps", 1.0), ("seconds", f"training time ({unit})", scale))
    panels = []
    for column, loss in (("validation_loss", "validation loss"), ("train_loss", "training loss")):
        for axis, label, size in clocks:
            shown = timed if axis == "seconds" else best
            if shown:
                draw = _draw_curves(shown, curves, look, column, axis, label, loss, size)
                alt = f"Median {loss} against {label}. At the end: "
                alt += "; ".join(f"{c.optimizer} at {c.name} {number(curves[_key(c)].end(column))}" for c in shown)
                panels.append(Panel(f"{loss} against {label.split(' (')[0]}", draw, alt))
    return Figure(key, title, caption, "curves.csv", panels, columns=len(panels) // 2)


def _loss_by_batch(table: list[Cell], curves: _Curves, look: _Looks) -> Figure:
    key, title = "loss_by_batch_size", "Loss at every batch size"
    shown = [cell for cell in table if _key(cell) in curves and curves[_key(cell)].finite()]
    caption = "All optimizers, one panel per batch size, same axes; each cell at its own learning rate. " + _band(shown)
    if not shown:
        return Figure(key, title, caption, "curves.csv", missing="no final run with a finite loss is recorded")
    limits = _limits([curves[_key(cell)] for cell in shown], "validation_loss")
    panels = []
    for batch in dict.fromkeys(cell.batch for cell in table):
        row = [cell for cell in shown if cell.batch == batch]
        if row:
            draw = _draw_curves(row, curves, look, "validation_loss", "epoch", "epochs", "validation loss", 1.0, limits)
            ends = "; ".join(f"{c.optimizer} {number(curves[_key(c)].end('validation_loss'))}" for c in row)
            panels.append(
                Panel(row[0].name, draw, f"Median validation loss against epochs at {row[0].name}. Ends: {ends}")
            )
    return Figure(key, title, caption, "curves.csv", panels)


def _time(records: Records, table: list[Cell], look: _Looks) -> Figure:
    key, title = "time_and_loss_against_batch_size", "What a larger batch buys: time per epoch, updates, and loss"
    timed = [cell for cell in table if cell.epoch_times_s]
    ended = [cell for cell in table if math.isfinite(cell.loss.median)]
    caption = "Medians; bars are 95 % intervals where there are six values or more. "
    if not timed and not ended:
        return Figure(key, title, caption, "summary.csv", missing="neither timings nor final runs are recorded")
    panels = []
    if timed:
        caption += "Time per epoch, and update steps per second, were timed alone on the machine. "
        unit, scale = _unit([cell.epoch_time_s.median for cell in timed])
        epoch = {cell: Interval(*(value * scale for value in cell.epoch_time_s)) for cell in timed}
        steps = {cell: cell.step_time_s for cell in timed}
        updates = {cell: Interval(1 / time.median, 1 / time.high, 1 / time.low) for cell, time in steps.items()}
        panels.append(_against_batch("time per epoch", f"time per epoch ({unit})", epoch, look))
        panels.append(_against_batch("updates per second", "updates per second (1/s)", updates, look))
    else:
        caption += "No times: no timings are recorded. "
    if ended:
        label = "validation loss at the end"
        caption += "The loss is that after the last epoch; cells whose median run diverged have no point."
        panels.append(_against_batch(label, label, {cell: cell.loss for cell in ended}, look))
    return Figure(key, title, caption, "summary.csv", panels)


def _valley(records: Records, table: list[Cell], curves: _Curves) -> Figure:
    key, title = "loss_against_learning_rate", "Loss against learning rate"
    caption = (
        "Every trial of the learning-rate search, one panel per optimizer, one line per batch size; the ring marks "
    )
    caption += "the chosen rate. Crosses on the top edge diverged; triangles there lie above the axis. A wide valley "
    caption += "forgives a badly chosen rate."
    trials = records.runs[(records.runs["phase"] == "search") & (records.runs["status"] != "interrupted")]
    if trials.empty:
        return Figure(key, title, caption, "runs.csv", missing="no learning-rate search is recorded")
    start = [curve.start("validation_loss") for curve in curves.values()]
    ceiling = 1.5 * float(np.median(start)) if start else math.inf
    batches = list(dict.fromkeys(cell.batch for cell in table))
    panels = []
    for optimizer in dict.fromkeys(cell.optimizer for cell in table):
        own = trials[trials["optimizer"] == optimizer].to_dict("records")
        row = [cell for cell in table if cell.optimizer == optimizer]
        if own:
            alt = f"Validation loss against learning rate for {optimizer}. Chosen: "
            alt += "; ".join(f"{rate(cell.learning_rate)} at {cell.name}" for cell in row)
            panels.append(Panel(optimizer, _draw_valley(own, row, batches, ceiling), alt))
    return Figure(key, title, caption, "runs.csv", panels, columns=2 if len(panels) in (2, 4) else 3)


def _heat_map(records: Records, table: list[Cell]) -> Figure:
    key, title = "loss_heat_map", "Validation loss at the end, optimizer x batch size"
    caption = "Median over the final runs, a diverged run counting as infinite; darker is lower. The lowest of each "
    caption += "optimizer is framed."
    if not any(cell.losses for cell in table):
        return Figure(key, title, caption, "summary.csv", missing="no final run is recorded")
    optimizers = list(dict.fromkeys(cell.optimizer for cell in table))
    batches = list(dict.fromkeys(cell.batch for cell in table))
    alt = "Median validation loss. "
    alt += "; ".join(f"{c.optimizer} at {c.name}: {number(c.loss.median)}" for c in table if c.losses)
    size = (max(PANEL[0], 1.3 + 0.8 * len(optimizers)), max(2.2, 1.0 + 0.36 * len(batches)))
    panel = Panel("median validation loss", _draw_heat_map(table, optimizers, batches), alt)
    return Figure(key, title, caption, "summary.csv", [panel], size=size)


# --- curves of one cell -----------------------------------------------------------------------------------------------


class _Curve:
    """The evaluations of a cell's final runs, side by side: x by point, and values of shape (runs, points).

    After a run has diverged its loss counts as infinite, so a median stays honest; interrupted runs are left out.
    """

    def __init__(self, x: Mapping[str, npt.NDArray[np.float64]], values: Mapping[str, npt.NDArray[np.float64]]) -> None:
        self.x = x
        self._intervals = {name: [ranked_interval(column) for column in rows.T] for name, rows in values.items()}
        self._rows = values

    def finite(self) -> bool:
        return any(math.isfinite(i.median) for i in self._intervals["validation_loss"])

    def start(self, column: str) -> float:
        return self._intervals[column][0].median

    def end(self, column: str) -> float:
        return self._intervals[column][-1].median

    def median(self, column: str) -> npt.NDArray[np.float64]:
        return _finite(np.array([interval.median for interval in self._intervals[column]]))

    def band(self, column: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The 95 % interval of the median; the range over the runs where these are fewer than six."""
        rows = self._rows[column]
        if rows.shape[0] < ENOUGH:
            return rows.min(axis=0), rows.max(axis=0)
        low, high = ([getattr(i, side) for i in self._intervals[column]] for side in ("low", "high"))
        return np.array(low), np.array(high)


_Curves = dict[tuple[str, str], _Curve]
_Looks = dict[str, tuple[str, str]]  # optimizer: colour, marker


def _key(cell: Cell) -> tuple[str, str]:
    return cell.optimizer, cell.batch


def _curves(records: Records) -> _Curves:
    runs: list[dict[Any, Any]] = records.runs[records.runs["phase"] == "final"].to_dict("records")
    wanted = {run["run_id"]: run for run in runs if known(run)}
    columns = ["run_id", "point", "epoch", "step", "validation_loss", "train_loss"]
    frame = records.curves.loc[records.curves["run_id"].isin(list(wanted)), columns]
    points_of: dict[Any, dict[str, npt.NDArray[np.float64]]] = {}
    for run_id, rows in frame.groupby("run_id", sort=False):
        points_of[run_id] = {name: rows[name].to_numpy(dtype=np.float64) for name in columns[1:]}
    members: dict[tuple[str, str], list[str]] = {}
    for run_id, run in wanted.items():
        if run_id in points_of:
            members.setdefault((run["optimizer"], run["batch"]), []).append(run_id)
    return {key: _side_by_side([points_of[run_id] for run_id in ids]) for key, ids in members.items()}


def _side_by_side(runs: list[dict[str, npt.NDArray[np.float64]]]) -> _Curve:
    longest = max(runs, key=lambda run: run["point"].size)
    place = {point: i for i, point in enumerate(longest["point"])}
    values = {}
    for column in ("validation_loss", "train_loss"):
        rows = np.full((len(runs), longest["point"].size), np.inf)
        for row, run in zip(rows, runs, strict=True):
            for point, value in zip(run["point"], run[column], strict=True):
                if point in place and math.isfinite(value):
                    row[place[point]] = value
        values[column] = rows
    return _Curve({"epoch": longest["epoch"], "step": longest["step"]}, values)


def _finite(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _limits(curves: Sequence[_Curve], column: str) -> tuple[float, float]:
    """Log limits that hold the medians, but not every excursion of a run on its way to divergence."""
    medians = np.concatenate([curve.median(column) for curve in curves])
    starts = [curve.start(column) for curve in curves if math.isfinite(curve.start(column))]
    top = float(np.nanmax(medians))
    if starts:
        top = min(top, 3.0 * float(np.median(starts)))
    low = float(np.nanmin(medians))
    return low * 0.85, max(top, low * 1.5) * 1.15


def _band(shown: Sequence[Cell]) -> str:
    counts = sorted({len(cell.losses) for cell in shown})
    if not counts or counts[0] >= ENOUGH:
        text = "Line: median over seeds; band: 95 % interval of the median."
        lost = any(cell.diverged or cell.failed for cell in shown)
        return text + (" A band open to the top holds a diverged run." if lost else "")
    some = "" if counts[-1] < ENOUGH else " (95 % interval where there are six seeds)"
    return f"Line: median over seeds; band: their range, as fewer than six seeds bear no interval{some}."


# --- drawing ----------------------------------------------------------------------------------------------------------


def _draw_curves(
    shown: Sequence[Cell], curves: _Curves, look: _Looks, column: str, axis: str, label: str, loss: str,
    scale: float, limits: tuple[float, float] | None = None,
) -> Callable[[Axes], None]:  # fmt: skip
    from matplotlib.ticker import MaxNLocator

    limits = limits or _limits([curves[_key(cell)] for cell in shown], column)
    several = len({cell.batch for cell in shown}) > 1

    def draw(axes: Axes) -> None:
        ends = []
        for cell in shown:
            curve = curves[_key(cell)]
            colour, marker = look[cell.optimizer]
            x = curve.x["step"] * cell.step_time_s.median * scale if axis == "seconds" else curve.x[axis]
            y = curve.median(column)
            keep = (x > 0) if axis != "epoch" else np.isfinite(x)
            low, high = curve.band(column)
            x, y, low, high = x[keep], y[keep], low[keep], high[keep]
            if not np.isfinite(y).any():
                continue
            ceiling = limits[1] * 10  # an infinite bound leaves the picture through the top
            low, high = np.clip(low, 1e-12, ceiling), np.clip(high, 1e-12, ceiling)
            axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
            last = int(np.flatnonzero(np.isfinite(y))[-1])
            marked = [*range(last, -1, -max(1, x.size // 6))]
            axes.plot(x, y, color=colour, marker=marker, markersize=4.5, markevery=marked)
            name = f"{cell.optimizer}, {cell.batch}" if several else cell.optimizer
            ends.append((float(x[last]), float(y[last]), name, colour, marker))
        axes.set_yscale("log")
        if axis == "epoch":
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        else:
            axes.set_xscale("log")
            _log_axis(axes, "x")
        axes.set_ylim(*limits)
        _log_axis(axes, "y")
        axes.set_xlabel(label)
        axes.set_ylabel(loss)
        _grid(axes)
        _name_lines(axes, ends)

    return draw


def _against_batch(title: str, label: str, values: Mapping[Cell, Interval], look: _Looks) -> Panel:
    def draw(axes: Axes) -> None:
        ends = []
        for optimizer in dict.fromkeys(cell.optimizer for cell in values):
            row = sorted(((c.batch_size, i) for c, i in values.items() if c.optimizer == optimizer), key=lambda p: p[0])
            x, y = [size for size, _ in row], [interval.median for _, interval in row]
            colour, marker = look[optimizer]
            axes.plot(x, y, color=colour, marker=marker, markersize=4.5)
            for size, interval in row:
                if interval.known:
                    axes.plot([size, size], [interval.low, interval.high], color=colour, linewidth=3, alpha=0.35)
            ends.append((float(x[-1]), y[-1], optimizer, colour, marker))
        axes.set_xscale("log")
        axes.set_yscale("log")
        _batch_axis(axes, {cell.batch_size: cell.batch for cell in values})
        _log_axis(axes, "y")
        axes.set_ylabel(label)
        _grid(axes)
        _name_lines(axes, ends)

    alt = f"{label[:1].upper()}{label[1:]} against batch size. "
    alt += "; ".join(f"{c.optimizer} at {c.name} {number(i.median)}" for c, i in values.items())
    return Panel(title, draw, alt)


def _draw_valley(
    trials: list[dict[Any, Any]], row: Sequence[Cell], batches: Sequence[str], ceiling: float
) -> Callable[[Axes], None]:
    import matplotlib

    shades = matplotlib.colormaps["cividis"](np.linspace(0.0, 0.88, max(2, len(batches))))

    def draw(axes: Axes) -> None:
        finite = [t["validation_loss"] for t in trials if _is_loss(t["validation_loss"]) and t["status"] == "finished"]
        low = min(finite, default=0.1)
        top = max(low * 3, min(max(finite, default=1.0), ceiling)) * 1.6
        edge = top / 1.12
        for i, batch in enumerate(batches):
            own = sorted((t for t in trials if t["batch"] == batch), key=lambda t: t["learning_rate"])
            if not own:
                continue
            colour, marker = shades[i], MARKERS[i % len(MARKERS)]
            good = [t for t in own if t["status"] == "finished" and _is_loss(t["validation_loss"])]
            x = [t["learning_rate"] for t in good]
            y = [t["validation_loss"] if t["validation_loss"] <= edge / 1.2 else math.nan for t in good]
            axes.plot(x, y, color=colour, marker=marker, markersize=4, linewidth=1.2, label=batch)
            over = [t["learning_rate"] for t in good if t["validation_loss"] > edge / 1.2]
            lost = [t["learning_rate"] for t in own if t not in good]
            for rates, mark in ((over, "^"), (lost, "x")):
                if rates:
                    axes.plot(rates, [edge] * len(rates), color=colour, marker=mark, linestyle="", markersize=6)
        ring: dict[str, Any] = {"marker": "o", "color": COLOURS[1], "linestyle": "", "markersize": 10}
        ring |= {"markerfacecolor": "none", "markeredgewidth": 1.6}
        for batch in batches:
            for cell in (c for c in row if c.batch == batch):
                for t in (t for t in trials if t["batch"] == batch and t["status"] == "finished"):
                    loss = t["validation_loss"]
                    if math.isclose(t["learning_rate"], cell.learning_rate) and _is_loss(loss) and loss <= edge:
                        axes.plot([t["learning_rate"]], [loss], **ring)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(low * 0.8, top)
        _log_axis(axes, "x")
        _log_axis(axes, "y")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("validation loss")
        _grid(axes)
        many = len(batches) > 12
        axes.legend(
            title="batch size", loc="upper left", bbox_to_anchor=(1.0, 1.03), frameon=False, borderaxespad=0.2,
            fontsize=7 if many else 8.5, title_fontsize=8.5, handlelength=1.4, labelspacing=0.25 if many else 0.45,
        )  # fmt: skip

    return draw


def _draw_heat_map(table: list[Cell], optimizers: list[str], batches: list[str]) -> Callable[[Axes], None]:
    import matplotlib
    from matplotlib.patches import Rectangle

    def draw(axes: Axes) -> None:
        grid = np.full((len(batches), len(optimizers)), np.nan)
        for cell in table:
            grid[batches.index(cell.batch), optimizers.index(cell.optimizer)] = cell.loss.median
        finite = grid[np.isfinite(grid) & (grid > 0)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (1.0, 1.0)
        span = max(math.log(high / low), 1e-9) if low > 0 else 1.0
        best = [_key(cell) for cell in best_cells(table)]
        colours = matplotlib.colormaps["cividis"]
        for cell in table:
            y, x = batches.index(cell.batch), optimizers.index(cell.optimizer)
            value = cell.loss.median
            if math.isfinite(value):
                shade = math.log(max(value, low) / low) / span
                face, ink = colours(shade), "white" if shade < 0.55 else INK
                axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor="white", linewidth=1.5))
            else:
                text = "no runs" if not cell.losses else number(value)
                axes.add_patch(
                    Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="#eeeeee", edgecolor="white", linewidth=1.5)
                )
                axes.text(x, y, text, ha="center", va="center", fontsize=8, color=INK, style="italic")
                continue
            text = number(value)
            axes.text(x, y, text, ha="center", va="center", fontsize=9, color=ink)
            if _key(cell) in best:
                frame = Rectangle((x - 0.43, y - 0.4), 0.86, 0.8, facecolor="none", edgecolor=COLOURS[1], linewidth=2)
                axes.add_patch(frame)
        axes.set_xlim(-0.5, len(optimizers) - 0.5)
        axes.set_ylim(len(batches) - 0.5, -0.5)
        axes.set_yticks(range(len(batches)), batches)
        long = max(len(name) for name in optimizers) > 11
        names = [_short(name.replace("(", "\n(") if long else name) for name in optimizers]
        axes.set_xticks(range(len(optimizers)), names, rotation=30 if long else 0, ha="right" if long else "center")
        axes.set_ylabel("batch size")
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)

    return draw


def _name_lines(axes: Axes, ends: list[tuple[float, float, str, str, str]]) -> None:
    """Write each line's name beside its end, pushed apart; too long or too many: a legend below."""
    if not ends:
        return
    if max(len(name) for *_, name, _, _ in ends) > 14 or len(ends) > 9:
        from matplotlib.lines import Line2D

        handles = [Line2D([], [], color=c, marker=m, markersize=4.5, label=_short(name)) for *_, name, c, m in ends]
        wide = max(len(name) for *_, name, _, _ in ends) > 22
        axes.legend(
            handles=handles, loc="upper center", bbox_to_anchor=(0.45, -0.2), ncols=1 if wide else 2, frameon=False,
            fontsize=8, handlelength=1.6, columnspacing=1.0,
        )  # fmt: skip
        return
    low, high = (math.log(value) for value in axes.get_ylim())
    order = sorted(range(len(ends)), key=lambda i: ends[i][1])
    heights = _spread_out([(math.log(ends[i][1]) - low) / (high - low) for i in order])
    x_high = axes.get_xlim()[1]
    for i, height in zip(order, heights, strict=True):
        *_, name, colour, marker = ends[i]
        axes.plot([1.035], [height], marker=marker, color=colour, markersize=5, transform=axes.transAxes, clip_on=False)
        axes.text(1.06, height, _short(name), transform=axes.transAxes, va="center", ha="left", fontsize=8.5)
    axes.set_xlim(right=x_high)


def _spread_out(heights: list[float], gap: float = 0.075) -> list[float]:
    """Move some heights in [0, 1], lowest first, as little as is simple until neighbours are `gap` apart."""
    placed = [min(max(height, 0.0), 1.0) for height in heights]
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    ceiling = 1.0
    for i in reversed(range(len(placed))):
        placed[i] = min((placed[i] + heights[i]) / 2, ceiling)  # half of the push up goes down again
        ceiling = placed[i] - gap
    floor = 0.0
    for i, height in enumerate(placed):
        placed[i] = max(height, floor)
        floor = placed[i] + gap
    return placed


def _log_axis(axes: Axes, which: str) -> None:
    """Plain numbers on a log axis, and more than the powers of ten where it spans little."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    decades = math.log10(high / low)
    steps: tuple[float, ...] = (1.0,) if decades > 3 else (1.0, 3.0) if decades > 1.6 else (1.0, 2.0, 5.0)
    if decades < 0.5:
        steps = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
    axis.set_major_locator(LogLocator(base=10, subs=steps, numticks=20 if decades <= 3 else 7))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def _plain(value: float) -> str:
    if 1e-3 <= value < 1e3:
        return f"{value:g}"
    if 1e3 <= value < 1e6:
        return f"{value:,.0f}"
    return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def _batch_axis(axes: Axes, labels: Mapping[int, str]) -> None:
    """Ticks at the batch sizes themselves; where two would overlap the smaller one loses its label."""
    from matplotlib.ticker import NullLocator

    low, high = min(labels), max(labels)
    axes.set_xlim(low / 1.25, high * 1.25)
    span = math.log(high * 1.25) - math.log(low / 1.25)
    shown: list[int] = []
    for size in sorted(labels, reverse=True):
        room = 0.0125 * (len(labels[size]) + (len(labels[shown[-1]]) if shown else 0)) + 0.015
        if not shown or (math.log(shown[-1]) - math.log(size)) / span > room:
            shown.append(size)
    axes.set_xticks(shown, [labels[size] for size in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("batch size")


def _unit(times_s: Sequence[float]) -> tuple[str, float]:
    """The unit that fits the longest of some times, and what seconds are multiplied by."""
    longest = max((time for time in times_s if math.isfinite(time)), default=1.0)
    return ("s", 1.0) if longest >= 1 else ("ms", 1e3) if longest >= 1e-3 else ("µs", 1e6)


def _grid(axes: Axes) -> None:
    axes.grid(visible=True, color=FAINT, linewidth=0.6)


def _is_loss(value: Any) -> bool:
    return value is not None and math.isfinite(value) and value > 0


def _looks(table: list[Cell]) -> _Looks:
    names = dict.fromkeys(cell.optimizer for cell in table)
    return {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(names)}


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def _short(text: str) -> str:
    return text if len(text) <= 48 else text[:47] + "…"


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
