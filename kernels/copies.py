"""Copies of plain functions: the same code with other constants, under another name, or with names of its own."""

import types


def copied(function, code=None, **names):
    """Return a copy of a plain function, with other code if given: renaming it leaves the original alone.

    The copy finds `names` before those of its module. Numba's cache key holds what a function closes over and not what
    it finds by name: intrinsics, and functions that use them, belong here, since they pickle anew in each process.
    """
    made = types.FunctionType(
        code or function.__code__,
        {**function.__globals__, **names} if names else function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    made.__module__, made.__qualname__ = function.__module__, function.__qualname__
    return made
