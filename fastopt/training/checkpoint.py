"""A run in a file: one that goes on from it ends with the same bits as one that was never stopped."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from fastopt import archive
from fastopt.errors import StateError
from fastopt.training.history import Evaluation, Try
from fastopt.training.run import Run

__all__ = ["load", "save"]

FORMAT = 1

# The arrays of a run that decide how it goes on.
_ARRAYS = ("params", "state", "buffers", "hyper", "rate_args", "progress", "losses")


def save(
    path: str | os.PathLike[str],
    run: Run,
    looks: list[Evaluation],
    tries: list[Try],
    identity: dict[str, Any],
) -> None:
    """Write `run`, between two steps, with the looks so far and the tries before it, to a .npz file.

    `identity` is JSON-able and says what is trained, on what and how; `load` wants the same. Raises StoreError.
    """
    header = {
        "identity": identity,
        "seconds": run.seconds,
        "base_rate": run.base_rate,
        "tries": [list(one) for one in tries],
    }
    if run.plateau is not None:
        header["plateau"] = run.plateau.state_dict()
    arrays = {name: getattr(run, name) for name in _ARRAYS}
    archive.write(path, "run", FORMAT, header, {**arrays, "looks": np.array(looks, dtype=np.float64)})


def load(path: str | os.PathLike[str], run: Run, identity: dict[str, Any]) -> tuple[list[Evaluation], list[Try]]:
    """Put `run`, which was made as the saved one was, where that one stood; return its looks and the tries before it.

    Raises StateError, before anything is changed, for a file that is missing or damaged and for one of another run.
    """
    header, arrays = archive.read(path, "run", FORMAT)
    saved = header.get("identity")
    if saved != json.loads(json.dumps(identity)):
        theirs, ours = (value if isinstance(value, dict) else {} for value in (saved, identity))
        differing = [name for name in identity if theirs.get(name) != json.loads(json.dumps(ours[name]))]
        raise StateError(
            f"{path} is the checkpoint of another run: {', '.join(differing) or 'its settings'} differ; "
            "resume with the same settings, or begin anew without resume"
        )
    looks = arrays.get("looks", np.empty(0))
    fits = all(
        name in arrays
        and arrays[name].shape == getattr(run, name).shape
        and arrays[name].dtype == getattr(run, name).dtype
        for name in _ARRAYS
    )
    if not fits or looks.ndim != 2 or looks.shape[1] != len(Evaluation._fields) or not len(looks):
        raise StateError(f"{path} is a damaged checkpoint: begin anew without resume")
    if run.plateau is not None:
        run.plateau.load_state_dict(header.get("plateau", {}))
    for name in _ARRAYS:
        getattr(run, name)[...] = arrays[name]
    run.seconds, run.base_rate = float(header["seconds"]), float(header["base_rate"])
    run.place_order()
    return [_look(row) for row in looks], [Try(*one) for one in header["tries"]]


def _look(row: Any) -> Evaluation:
    epoch, step, samples, *rest = map(float, row)
    return Evaluation(epoch, int(step), int(samples), *rest)
