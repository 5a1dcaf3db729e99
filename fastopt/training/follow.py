"""A run from its beginning to its end: along a grid of samples, looking at every point, until something stops it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable

from fastopt.training import driver
from fastopt.training.goal import Goal
from fastopt.training.history import Evaluation
from fastopt.training.run import Run

__all__ = ["follow", "outcome"]

# A run whose training loss is so many times that of its initial parameters has diverged, though every number is finite.
DIVERGED_FACTOR = 1_000.0


def follow(
    run: Run,
    grid: Iterable[int],
    *,
    most: int | None = None,
    seconds: float = math.inf,
    goal: Goal | None = None,
    looks: list[Evaluation] | None = None,
    looked: Callable[[list[Evaluation]], None] = lambda looks: None,
    look_at: Callable[[Run], Evaluation] = lambda run: run.evaluate(),
) -> list[Evaluation]:
    """Train `run` along `grid`, ascending counts of samples, and return its looks: before the first step, then at every
    point, and at the end.

    A look happens at the first step at or after its point; points that one step passes together are one look. The run
    ends at `most` samples (None: at the last point), when `seconds` of the training clock are over, when the `goal` is
    hit, when it is stopped, or when it diverges, which is: a batch loss, a parameter or a measured loss is not finite,
    or the training loss exceeds `DIVERGED_FACTOR` times its first value (or that of guessing, log classes, where it is
    larger: a run may start from trained parameters). A diverged end is no look. `look_at` is how a look is taken: one
    that leaves out the training rows has the validation loss in the place of the training loss.

    A run that goes on from a checkpoint brings the `looks` it had. After each look `looked` is called with those on the
    grid: an end between two points is not among them, so that a run which goes on from there has the looks of one that
    was never stopped.
    """
    looks = looks or [look_at(run)]
    too_large = DIVERGED_FACTOR * max(_loss(looks[0]), math.log(max(2, run.dataset.n_classes)))
    for point in grid if most is None else itertools.chain(grid, [most]):
        if run.samples >= point:
            continue
        if (most is not None and run.samples >= most) or (goal is not None and goal.hit(looks) is not None):
            break
        _train(run, point if most is None else min(point, most), seconds)
        look = look_at(run)
        if _loss(look) > too_large:
            run.progress[driver.DIVERGED] = 1
        if run.diverged:
            break
        looks.append(look)
        if run.samples < point:
            looked(looks[:-1])
            break
        run.observe(look)
        looked(looks)
        if run.stop[0] or run.seconds >= seconds:
            break
    return looks


def outcome(run: Run, looks: list[Evaluation], goal: Goal | None = None) -> tuple[str, str]:
    """Return how the run ended, as (status, reason): finished, reached, diverged or interrupted."""
    step, epoch, last = run.steps, int(run.progress[driver.EPOCH]), looks[-1]
    if run.diverged:
        return "diverged", (
            f"by step {step}, epoch {epoch} the loss was not finite or {DIVERGED_FACTOR:g} times its first value; "
            f"the last finite loss of a batch was {run.batch_loss:.4g}, of the {_rows(last)} rows {_loss(last):.4g} at "
            f"step {last.step}; try a tenth of learning rate {run.base_rate:g}"
        )
    if goal is not None and (hit := goal.hit(looks)) is not None:
        return (
            "reached",
            f"{goal} was reached at step {looks[hit].step}, {looks[hit].samples} samples",
        )
    if run.stop[0]:
        return "interrupted", f"stopped after step {step}, epoch {epoch}"
    return "finished", f"all {step} steps done"


def _loss(look: Evaluation) -> float:
    return look.validation_loss if math.isnan(look.train_loss) else look.train_loss


def _rows(look: Evaluation) -> str:
    return "validation" if math.isnan(look.train_loss) else "training"


def _train(run: Run, point: int, seconds: float) -> None:
    """Train until `point`, or until `seconds` are over: found out after pieces that shrink as the end comes near."""
    if seconds == math.inf:
        run.advance(point)
        return
    piece = run.batch_size
    while run.samples < point and run.seconds < seconds and not run.stop[0] and not run.diverged:
        start, clock = run.samples, run.seconds
        run.advance(min(point, start + piece))
        pace = (run.samples - start) / max(run.seconds - clock, 1e-9)
        piece = max(run.batch_size, min(2 * piece, int(pace * (seconds - run.seconds) / 2)))
