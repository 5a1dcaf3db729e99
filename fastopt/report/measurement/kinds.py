"""What differs between the pages of update steps, epochs, orders and gathers: what the size of a case is, its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastopt.errors import StoreError
from fastopt.measurements import Comparison, Measurement
from fastopt.report.numbers import count, number

Case = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """How cases of one kind are read.

    subject       what a case is of, beside its size: "one optimizer"; of a kind without, what it is called
    size, sizes   the field of the case that the horizontal axis shows, and its name in words
    item          what a step handles many of
    items         how many of them one unit of work handles
    shape         what besides the optimizer tells a group of cases, which differ in size only, from others
    at            the size of a case in a sentence: "1e6 elements", "batch size 32"
    """

    name: str
    command: str
    title: str
    subject: str
    size: str
    sizes: str
    item: str
    items: Callable[[Case], int]
    shape: Callable[[Case], tuple[str, ...]]
    at: str


def _update_shape(case: Case) -> tuple[str, ...]:
    return (str(case.get("dtype", "")),)


def _epoch_shape(case: Case) -> tuple[str, ...]:
    hidden = "-".join(str(width) for width in case.get("hidden") or () if case.get("model") != "logistic")
    return f"{case.get('model', 'model')} {hidden}".strip(), str(case.get("data", ""))


def _no_shape(case: Case) -> tuple[str, ...]:
    return ()


def _gather_shape(case: Case) -> tuple[str, ...]:
    return f"{case.get('n_rows')} x {case.get('n_features')}", str(case.get("dtype", ""))


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "update",
            "fastopt kernels",
            "Which library updates fastest?",
            "optimizer",
            "n",
            "elements",
            "element",
            lambda case: int(case["n"]),
            _update_shape,
            "{} elements",
        ),
        Kind(
            "epoch",
            "fastopt epochs",
            "Which library trains an epoch fastest?",
            "optimizer",
            "batch_size",
            "batch size",
            "sample",
            lambda case: int(case["n_rows"]),
            _epoch_shape,
            "batch size {}",
        ),
        Kind(
            "order",
            "fastopt orders",
            "Which library shuffles fastest?",
            "order",
            "n",
            "rows",
            "row",
            lambda case: int(case["n"]),
            _no_shape,
            "{} rows",
        ),
        Kind(
            "gather",
            "fastopt gathers",
            "Which library brings a batch together fastest?",
            "gather",
            "batch_size",
            "batch size",
            "row",
            lambda case: int(case["n_rows"]),
            _gather_shape,
            "batch size {}",
        ),
    )
}


def kind_of(measurement: Measurement) -> Kind:
    """Return the kind of a measurement; raises StoreError for one that has no page."""
    name = str(measurement.meta.get("kind", ""))
    if name not in KINDS:
        raise StoreError(f'no page for a measurement of kind "{name}"; expected {" or ".join(KINDS)}')
    return KINDS[name]


def size_words(kind: Kind, case: Case) -> str:
    """Return the size of a case in a table: "30,000", "1e6", "3e5 in 300 tensors"."""
    return _short(int(case[kind.size])) + _tensors(case)


def at_words(kind: Kind, case: Case) -> str:
    """Return the size of a case in a sentence: "1e6 elements", "3e5 elements in 300 tensors", "batch size 32"."""
    return kind.at.format(_short(int(case[kind.size]))) + _tensors(case)


def _short(n: int) -> str:
    digits = f"{n:.1e}"
    mantissa, exponent = digits.split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}" if float(digits) == n and n >= 100_000 else number(n)


def _tensors(case: Case) -> str:
    tensors = int(case.get("n_tensors", 1))
    return f" in {count(tensors, 'tensor')}" if tensors > 1 else ""


@dataclass(frozen=True)
class Group:
    """Cases that differ in size only: one panel of a figure."""

    subject: str  # the optimizer, where there is one
    shape: tuple[str, ...]
    threads: int
    name: str  # what tells it from the other groups of this measurement

    @property
    def beside(self) -> str:
        """The name without the subject."""
        return self.name.removeprefix(f"{self.subject}, ")


def groups_of(kind: Kind, comparisons: Sequence[Comparison]) -> dict[int, Group]:
    """Return the group of each comparison by its place; what is the same in all of them is not in their names."""
    keys = [_key(kind, comparison.case) for comparison in comparisons]
    columns = list(zip(*(shape for _, shape, _ in keys), strict=True))
    varied = [len(set(column)) > 1 for column in columns]
    found = {}
    for index, (subject, shape, threads) in enumerate(keys):
        told = [part for part, differs in zip(shape, varied, strict=True) if differs]
        found[index] = Group(subject, shape, threads, ", ".join([subject, *told, count(threads, "thread")]))
    return found


def _key(kind: Kind, case: Case) -> tuple[str, tuple[str, ...], int]:
    return str(case.get("optimizer", kind.subject)), kind.shape(case), int(case.get("threads", 1))
