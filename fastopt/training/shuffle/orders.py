"""Orders for people: the doors to the compiled samplings, which check what comes in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.extending import overload

from fastopt.errors import ArrayError, ConfigError, unknown_name
from fastopt.kernels import bijection as bijection_module
from fastopt.kernels import splitmix
from fastopt.kernels.bijection import domain_of, permuted
from fastopt.kernels.compiling import COMPILE_OPTIONS, named, source_digest
from fastopt.kernels.splitmix import key_of
from fastopt.training.shuffle import fisher_yates as fisher_yates_module
from fastopt.training.shuffle import samplings
from fastopt.training.shuffle.fisher_yates import BUCKET_ROWS, DEALT_FROM, fisher_yates
from fastopt.training.shuffle.samplings import SAMPLINGS, fill_bijection, fill_order

# The ways to permute rows, by name.
METHODS = ("fisher_yates", "bijection")
_LIMIT = 2**63

# The modules that become part of whatever calls the compiled samplings, for `source_digest`.
SOURCES = (splitmix, bijection_module, fisher_yates_module, samplings)
_DIGEST = source_digest(*SOURCES)


def permutation(n: int, seed: int, epoch: int, method: str = "fisher_yates") -> npt.NDArray[np.int64]:
    """Return the order in which an epoch visits n rows, shape (n,), int64.

    The same (n, seed, epoch, method) gives the same order on every machine, for any number of threads; different seeds
    and epochs give independent orders. All three are integers, at least 0 and below 2**63.

    method   "fisher_yates": all orders equally likely, as far as 2**64 keys go, bias of a draw below n / 2**64
             "bijection": answers any index alone, see `fastopt.training.shuffle.bijection`; CUDA gives the same order

    Raises ConfigError for another method, and for numbers that are no such integers.
    Sources: see `fastopt.training.shuffle.fisher_yates` and `fastopt.kernels.bijection`.
    """
    _check_integers(n=n, seed=seed, epoch=epoch)
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    order = np.empty(n, dtype=np.int64)
    permute = _permute_by_bijection if method == "bijection" else _permute
    permute(order, int(seed), int(epoch))
    return order


def bijection(index: int, n: int, seed: int, epoch: int) -> int:
    """Return permutation(n, seed, epoch, "bijection")[index] without making the others: O(1) time and memory.

    From compiled code it takes integers and returns int64, and checks nothing.
    Raises ConfigError unless all are integers from 0 to 2**63 - 1 and index is below n.
    """
    _check_integers(index=index, n=n, seed=seed, epoch=epoch)
    if index >= n:
        raise ConfigError(f"index must be below n, got index {index} and n {n}")
    return int(_one_index(int(index), int(n), int(seed), int(epoch)))


def sample_order(
    rows: npt.ArrayLike, sampling: str, seed: int, epoch: int, out: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.int64]:
    """Return the rows that an epoch takes, in order, shape (m,), int64, of `rows` (m,), integers.

    `sampling` is a name of SAMPLINGS; `fill_order` says what each does. `out` is where they go, (m,), int64; None makes
    an array for them. Raises ConfigError for another name and for a
    seed or epoch that is no integer from 0 to 2**63 - 1, ArrayError for rows that are no flat array of integers.
    """
    _check_integers(seed=seed, epoch=epoch)
    if sampling not in SAMPLINGS:
        raise unknown_name("sampling", sampling, SAMPLINGS)
    array = np.asarray(rows)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ArrayError(f"rows must be a flat array of integers, got shape {array.shape} and dtype {array.dtype}")
    array = np.ascontiguousarray(array, dtype=np.int64)
    order = np.empty_like(array) if out is None else out
    _fill(SAMPLINGS[sampling], order, array, 0, array.size, int(seed), int(epoch))
    return order


def _check_integers(**values: object) -> None:
    for name, value in values.items():
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or not 0 <= value < _LIMIT:
            raise ConfigError(f"{name} must be an integer from 0 to 2**63 - 1, got {value!r}")


# --- Compiled. The variant is in each closure, and so in the cache key: Numba does not watch the files of SOURCES. ----


@overload(bijection)
def _bijection(index, n, seed, epoch):  # type: ignore[no-untyped-def]
    def at(index, n, seed, epoch):  # type: ignore[no-untyped-def]
        return np.int64(permuted(np.uint64(index), domain_of(np.uint64(n)), key_of(seed, epoch)))

    return at


def _index_door(variant: str) -> Any:
    def one_index(index, n, seed, epoch):  # type: ignore[no-untyped-def]
        variant  # noqa: B018
        return bijection(index, n, seed, epoch)

    return named(one_index, variant)


def _fill_door(variant: str) -> Any:
    def fill(sampling, order, rows, first, last, seed, epoch):  # type: ignore[no-untyped-def]
        variant  # noqa: B018
        fill_order(sampling, order, rows, first, last, seed, epoch)

    return named(fill, variant)


def _permutation_door(variant: str) -> Any:
    def permute(order, seed, epoch):  # type: ignore[no-untyped-def]
        variant  # noqa: B018
        fisher_yates(order, None, key_of(seed, epoch), DEALT_FROM, BUCKET_ROWS)

    return named(permute, variant)


def _bijection_door(variant: str) -> Any:
    def permute(order, seed, epoch):  # type: ignore[no-untyped-def]
        variant  # noqa: B018
        fill_bijection(order, 0, order.size, key_of(seed, epoch))

    return named(permute, variant)


_one_index = njit(**COMPILE_OPTIONS)(_index_door(f"{_DIGEST}"))
_fill = njit(**COMPILE_OPTIONS)(_fill_door(f"{_DIGEST}"))
_permute = njit(**COMPILE_OPTIONS)(_permutation_door(f"fisher_yates_{_DIGEST}"))
_permute_by_bijection = njit(**COMPILE_OPTIONS)(_bijection_door(f"bijection_{_DIGEST}"))
