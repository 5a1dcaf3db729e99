"""A user's own file, imported once in every process of a measurement: what it registers is on the menus from then on.

    fastopt compare --plugin my_things.py --optimizers adam,my_rule --model my_model

The file calls `fastopt.register_rule`, `register_model`, `register_dataset` or `register_contender`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from fastopt.errors import ConfigError

__all__ = ["load", "loaded"]

_MODULES: dict[Path, ModuleType] = {}


def load(path: str | os.PathLike[str]) -> ModuleType:
    """Import the Python file `path` and return its module; a file that was imported already is not run again.

    Raises ConfigError, in one line, when there is no such file or when importing it fails.
    """
    file = Path(path).resolve()
    if file in _MODULES:
        return _MODULES[file]
    if file.suffix != ".py" or not file.is_file():
        raise ConfigError(f'plugin "{path}" is no Python file: name an existing .py file')
    # A name of its own in sys.modules: two files may both be called rules.py, and none may hide a library.
    name = f"fastopt_plugin_{file.stem}_{len(_MODULES)}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # somebody's file may fail in any way
        del sys.modules[name]
        reason = " ".join(str(error).split())
        raise ConfigError(f'plugin "{path}" failed to import: {type(error).__name__}: {reason}') from error
    _MODULES[file] = module
    return module


def loaded() -> tuple[str, ...]:
    """Return the files that were imported so far: what a worker process must import too."""
    return tuple(str(file) for file in _MODULES)
