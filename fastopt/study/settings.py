"""The settings of a study as a flat TOML table, by the names of the flags of `fastopt compare`.

    dataset = "digits"
    optimizers = ["sgd", "adam(beta2=0.99)"]
    batch_sizes = [1, "2^3..2^9", "full"]
    learning_rate_ranges = {sgd = [0.003, 10.0]}
    epochs = 20

Relative paths (of a data set of one's own, data_dir, plugin) start at the folder of the file.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fastopt.errors import ConfigError, unknown_name
from fastopt.study.config import MODEL_OPTIONS, StudyConfig
from fastopt.study.plan import Study
from fastopt.training.budget import Budget
from fastopt.training.datasets.own import SUFFIXES
from fastopt.training.models.menu import option_names

LENGTHS = tuple(field.name for field in dataclasses.fields(Budget))

# Settings of which one takes the place of the others.
_INSTEAD = (LENGTHS, ("tune", "learning_rate"))


class Kind(NamedTuple):
    """What a setting holds: in words, and a function that returns it, or None for something else."""

    what: str
    read: Callable[[Any], Any]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _list_of(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...] | None]:
    def read_list(value: Any) -> tuple[Any, ...] | None:
        items = tuple(read(item) for item in value) if isinstance(value, list) else (None,)
        return None if None in items else items

    return read_list


def _batch(value: Any) -> str | None:
    return _text(value) if _whole(value) is None else str(value)


def _ranges(value: Any) -> dict[str, tuple[Any, ...]] | None:
    if not isinstance(value, dict):
        return None
    read = _list_of(_number)
    found = {name: read(bounds) or () for name, bounds in value.items()}
    return found if all(len(bounds) == 2 for bounds in found.values()) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


FLAG = Kind("true or false", _flag)
TEXT, WHOLE, NUMBER = Kind("text in quotes", _text), Kind("a whole number", _whole), Kind("a number", _number)
TEXTS = Kind('a list of texts such as ["sgd", "adam"]', _list_of(_text))

# Every setting, in the order in which they are written.
KINDS: dict[str, Kind] = {
    "dataset": TEXT,
    "data_dir": TEXT,
    "label": TEXT,
    "task": TEXT,
    "model": TEXT,
    "hidden": Kind("a list of whole numbers such as [64, 32]", _list_of(_whole)),
    "activation": TEXT,
    "init": TEXT,
    "l2": NUMBER,
    "loss": TEXT,
    "product": TEXT,
    "optimizers": TEXTS,
    "batch_sizes": Kind('a list such as [1, 8, "2^5..2^9", "full"]', _list_of(_batch)),
    "seeds": WHOLE,
    "epochs": WHOLE,
    "steps": WHOLE,
    "samples": WHOLE,
    "seconds": NUMBER,
    "goal": TEXT,
    "budget": TEXT,
    "transfer": FLAG,
    "tune_also": Kind('a table such as {"adam.beta2" = [0.9, 0.9999]}', _ranges),
    "tune": WHOLE,
    "learning_rate": NUMBER,
    "schedule": TEXT,
    "sampling": TEXT,
    "reduction": TEXT,
    "dtype": TEXT,
    "backend": TEXT,
    "workers": WHOLE,
    "timing_rounds": WHOLE,
    "plugin": TEXTS,
    "format": TEXT,
    "learning_rate_ranges": Kind("a table such as {adam = [1e-4, 0.3]}", _ranges),
}


def read(path: Path) -> dict[str, Any]:
    """Return the settings in a TOML file, by name, in the types of `StudyConfig`; paths start at the current folder.

    Raises ConfigError for a file that cannot be read or is no TOML, a name that is no setting, and a value of another
    kind than its setting holds.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f'cannot read settings from "{path}": {error.strerror}; name a .toml file') from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f'"{path}" is not TOML: {error}') from error
    found = {}
    for name, value in table.items():
        if name not in KINDS:
            raise unknown_name(f'setting in "{path}"', name, KINDS)
        found[name] = KINDS[name].read(value)
        if found[name] is None:
            raise ConfigError(f'setting {name} in "{path}" must be {KINDS[name].what}, got {value!r}')
    return _with_paths(found, lambda value: os.path.normpath(path.parent / value))


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of both; one `above` takes the place of its like, and of what it is an alternative to."""
    replaced = {name for group in _INSTEAD if above.keys() & set(group) for name in group}
    return {**{name: value for name, value in below.items() if name not in replaced}, **above}


def configured(settings: Mapping[str, Any]) -> StudyConfig:
    """Return the configuration that `settings` describe; raises ConfigError for two lengths, or one that cannot be."""
    bounds = {name: value for name, value in settings.items() if name in LENGTHS}
    rest: dict[str, Any] = {name: value for name, value in settings.items() if name not in LENGTHS}
    if len(bounds) > 1:
        raise ConfigError(f"give one of {', '.join(LENGTHS)}, got {' and '.join(bounds)}")
    if bounds:
        rest["length"] = Budget(**bounds)
    return StudyConfig(**rest)


def text(study: Study, folder: Path) -> str:
    """Return the settings of `study` as the content of a TOML file in `folder`; they reproduce it."""
    import tomli_w

    config = study.config
    values = {name: getattr(config, name) for name in KINDS if name not in LENGTHS}
    values |= dataclasses.asdict(config.run_length)
    taken = [name for name in option_names(config.model) if name in MODEL_OPTIONS]
    values |= {name: study.model.settings.get(name, getattr(config, name)) for name in taken}
    values["optimizers"] = list(study.ranges)
    values["tune_also"] = {f"{of}.{name}": list(bounds) for (of, name), bounds in config.tuned_also.items()} or None
    values["learning_rate_ranges"] = {name: list(bounds) for name, bounds in study.ranges.items()}
    batches = dict.fromkeys(cell.batch for cell in study.cells)
    values["batch_sizes"] = [int(batch) if batch.isdecimal() else batch for batch in batches]
    start = folder.resolve()
    values = _with_paths(values, lambda value: value if os.path.isabs(value) else os.path.relpath(value, start))
    written = {name: _plain(values[name]) for name in KINDS if values[name] is not None}
    return f"# fastopt {study.identity['fastopt']}: fastopt compare THIS_FILE runs the study again\n" + tomli_w.dumps(
        written
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _with_paths(settings: Mapping[str, Any], moved: Callable[[str], str]) -> dict[str, Any]:
    """Return `settings` with `moved` applied to what is a path: files of one's own, labels of a .npy file too."""
    found = dict(settings)
    if found.get("data_dir") is not None:
        found["data_dir"] = moved(found["data_dir"])
    suffix = Path(found.get("dataset") or "").suffix.lower()
    if suffix in SUFFIXES:
        found["dataset"] = moved(found["dataset"])
    if suffix == ".npy" and found.get("label") is not None:
        found["label"] = moved(found["label"])
    if found.get("plugin"):
        found["plugin"] = tuple(moved(path) for path in found["plugin"])
    return found
