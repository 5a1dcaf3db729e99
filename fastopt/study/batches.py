"""Batch sizes as a user writes them: a number of rows, "full", a power of two, or a run of powers "2^0..2^9"."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from fastopt.errors import ConfigError
from fastopt.training.doors import resolve_batch_size

# The batch sizes of a study that names none, as far as they are below the training rows; then "full".
DEFAULT = (1, 8, 32, 128, 512)

_POWERS = re.compile(r"2\^(\d{1,2})(?:\.\.2\^(\d{1,2}))?")


def expanded(words: Sequence[str]) -> tuple[str, ...]:
    """Return `words`, numbers written in one way: ("2^0..2^2", "032", "full") becomes ("1", "2", "4", "32", "full").

    Raises ConfigError for a run of powers that does not ascend, or is written in another way.
    """
    return tuple(itertools.chain.from_iterable(_expanded(word) for word in words))


def resolved(words: Sequence[str], n_rows: int) -> dict[str, int]:
    """Return the rows of each batch size, by how it is written; `DEFAULT` and "full" for none.

    Raises ConfigError for one that does not fit `n_rows` training rows, and for one that is named twice.
    """
    batches = expanded(words) or (*(str(size) for size in DEFAULT if size < n_rows), "full")
    rows = {batch: resolve_batch_size(_number(batch), n_rows) for batch in batches}
    for batch, other in itertools.combinations(batches, 2):
        if batch == other:
            raise ConfigError(f'batch size "{batch}" is listed twice: name each once')
        if rows[batch] == rows[other]:
            raise ConfigError(f'batch sizes "{batch}" and "{other}" are both {rows[batch]} rows: name each once')
    return rows


def _expanded(word: str) -> list[str]:
    if "^" not in word and ".." not in word:
        return [str(int(word)) if word.isdecimal() else word]
    found = _POWERS.fullmatch(word)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if first > last:
        raise ConfigError(f'cannot read batch sizes "{word}": write a power of two as 2^5, several as 2^0..2^9')
    return [str(2**power) for power in range(first, last + 1)]


def _number(batch: str) -> int | str:
    try:
        return int(batch)
    except ValueError:
        return batch  # "full"; or resolve_batch_size says what is wrong with it
