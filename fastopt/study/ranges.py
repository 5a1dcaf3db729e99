"""Where the search for a learning rate looks, for each optimizer: wide enough for batch size 1 and for a full batch.

For inputs of unit scale and gradients that are means over the batch.
"""

from __future__ import annotations

from fastopt.errors import ConfigError
from fastopt.optimizers.spec import parse

RANGES = {
    "sgd": (3e-3, 10.0),
    "momentum": (3e-3, 10.0),  # in its averaged form it wants the rates of plain SGD
    "rmsprop": (1e-4, 0.3),
    "adam": (1e-4, 0.3),
    "adamw": (1e-4, 0.3),
    "nadam": (1e-4, 0.3),
    "adamax": (1e-4, 0.3),
    "adagrad": (1e-3, 1.0),
    "adadelta": (1e-2, 100.0),
    "lion": (1e-5, 0.03),
}
# Of a rule that somebody registered: nothing is known about it.
UNKNOWN = (1e-5, 10.0)

# Options that a comparison decides itself, for every optimizer alike.
DECIDED = {"learning_rate": "--learning-rate sets one for all", "backend": "--backend sets it for all"}


def learning_rate_range(spec: str) -> tuple[float, float]:
    """Return the lowest and the highest rate to try for an optimizer, written as on the command line.

    Raises ConfigError for an unknown optimizer or option, and for an option that the comparison decides.
    """
    name, options = parse(spec)
    for option, hint in DECIDED.items():
        if option in options:
            raise ConfigError(f'"{option}" of optimizer "{spec}" is chosen by the comparison: leave it out; {hint}')
    low, high = RANGES.get(name, UNKNOWN)
    # Where the velocity is a sum of gradients, not an average, steps are 1 / (1 - beta) times as long.
    sums = 0.0
    if name == "momentum" and options.get("form", "ema") != "ema":
        sums = float(options.get("beta", 0.9))
    elif name == "rmsprop":
        sums = float(options.get("momentum", 0.0))
    return low * (1.0 - sums), high * (1.0 - sums)
