"""What can be known to be wrong with a study before its first run: a goal that is met already, too small a budget."""

from __future__ import annotations

import math

import numpy as np

from fastopt.errors import ConfigError
from fastopt.study import baseline, work
from fastopt.study.config import CONFIRM_SEEDS, SEARCH_SEED
from fastopt.study.plan import Study
from fastopt.study.trial import make_run


def check_ahead(study: Study) -> None:
    """Raise ConfigError for a goal that the initial parameters meet, and a budget that is too small for one run.

    Of a goal without a value only the budget can be checked.
    """
    _check_budget(study)
    if study.goal is None:
        return
    stop = np.zeros(1, dtype=np.int64)
    for seed in (SEARCH_SEED, *CONFIRM_SEEDS, *range(study.config.seeds)):
        look = make_run(study, study.cells[0], 0.0, seed, stop, parallel=False).evaluate()
        found = getattr(look, study.goal.metric)
        if not study.goal.met(look):
            continue
        raise ConfigError(
            f"goal {study.goal} is met before the first step ({study.goal.metric} {found:.4g}): set a harder one"
        )


def _check_budget(study: Study) -> None:
    budget = study.config.budget_s
    if budget is None:
        return
    timing_s, least_s = work.timing_pass_s(study, study.config.timing_rounds), work.least_s(study)
    value_s = baseline.cost_s(study)
    if budget <= least_s + value_s:
        least = math.ceil(least_s + value_s) + 1
        value = f", the value of the goal {value_s:.0f} s to find" if value_s else ""
        raise ConfigError(
            f"--budget {study.config.budget} is too small: {len(study.cells)} cells take {timing_s:.0f} s to time, "
            f"one run takes {least_s - timing_s:.1f} s{value}; give {least}s or more, or fewer --batch-sizes or "
            "--timing-rounds"
        )
