"""Learning-rate schedules: named, checked, compiled for the driver, and the same functions in plain Python."""

from fastopt.training.schedules.functions import warm_up
from fastopt.training.schedules.options import REQUIRED, options_of
from fastopt.training.schedules.plateau import Plateau
from fastopt.training.schedules.schedule import SCHEDULES, Bound, Schedule, make_schedule

__all__ = ["REQUIRED", "SCHEDULES", "Bound", "Plateau", "Schedule", "make_schedule", "options_of", "warm_up"]
