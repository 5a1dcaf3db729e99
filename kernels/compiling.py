"""How everything here is compiled: options, names and what Numba's cache is told of a piece's text."""

import functools
import hashlib
import inspect

import numpy as np
from numba import types
from numba.extending import register_jitable

# No fastmath: contraction alone made serial and parallel results differ and bought nothing measurable.
# error_model "numpy": Python's check for division by zero is a branch, and a branch does not vectorise.
COMPILE_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}

# Why it helps we do not know, since the C wrapper still calls the function: a step of Adam on 21 parameters takes 50 ns
# with it and 53 without, all others the same (2026-11-22).
CALLBACK_OPTIONS = {**COMPILE_OPTIONS, "forceinline": True}

FLOATS = {np.dtype(np.float32): types.float32, np.dtype(np.float64): types.float64}


@functools.cache
def jitable(function):
    """Let compiled code call a plain function; registered once, so that its cache key is the same in every process."""
    return register_jitable(function)


def named(function, variant):
    """Give a function made by another one a name that no other variant has, and return it.

    Numba calls compiled functions by name, argument types and a number that counts within the process. Two variants
    that were compiled first in two processes, and are then loaded from the cache by a third, would be one symbol to
    LLVM, and one would silently run in the place of the other (seen: heavy ball ran RMSprop's loop).
    """
    function.__name__ = function.__qualname__ = f"{function.__name__}_{variant}"
    return function


def source_digest(*sources):
    """Return a digest of the text of functions or modules, or None when that is not all that decides what they do.

    That is so for a function without a source file (typed at a prompt), for one made within another, and for one that
    uses more of its module than other modules: a helper or a constant, whose edit the digest would not show. Numba's
    cache does not see an edit in another file, and its key leaves out the compile options: so the digest and the
    variant's name are closed over, which makes them part of the key.
    """
    if not all(_stands_alone(source) for source in sources):
        return None
    try:
        text = "".join(inspect.getsource(source) for source in sources)
    except (OSError, TypeError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stands_alone(source):
    if inspect.ismodule(source):
        return True
    used = (source.__globals__.get(name) for name in _names(source.__code__))
    alone = source.__closure__ is None and source.__defaults__ is None
    return alone and all(found is None or inspect.ismodule(found) for found in used)


def _names(code):
    """Return the names that code looks up, and the code within it: of comprehensions and lambdas."""
    within = (constant for constant in code.co_consts if inspect.iscode(constant))
    return {*code.co_names, *(name for inner in within for name in _names(inner))}
