"""What can be timed: contenders, ours and the peers', behind one small interface, and the cases they are timed on.

A **case** says what work is to be done, down to the seed; it is frozen, and travels as JSON. A **contender** does
*units* of that work: optimizer steps, or epochs. All contenders of a case start from the same numbers, and a case knows
how to tell whether the numbers a contender ends with are right: the answer is checked before it is timed.

The module of a kind has its class of cases, and the menu of its contenders at the foot. A new kind is one module, and
one line in KINDS.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import importlib.util
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from fastopt import plugins
from fastopt.errors import ConfigError, unknown_name
from fastopt.measurements import PEER

# The module of each kind: its class of cases is CASE, its menu CONTENDERS (name -> class).
KINDS = {
    "epoch": "fastopt.bench.contenders.epochs",
    "gather": "fastopt.bench.contenders.gathers",
    "order": "fastopt.bench.contenders.orders",
    "planted": "fastopt.bench.contenders.planted",
    "training": "fastopt.bench.contenders.training",
    "update": "fastopt.bench.contenders.updates",
}


class Check(NamedTuple):
    """One question about a contender's answer: after `units` of `case`, its error must not exceed `tolerance`."""

    case: Case
    units: int
    tolerance: float


@dataclasses.dataclass(frozen=True)
class Case(ABC):
    """The work that contenders are timed on. Subclasses are frozen dataclasses of JSON-able fields."""

    kind: ClassVar[str]
    unit: ClassVar[str]  # what one repeat is: "step" or "epoch"

    threads: int = dataclasses.field(default=2, kw_only=True)  # of every pool in the worker's process
    seed: int = dataclasses.field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        check_whole(threads=(self.threads, 1), seed=(self.seed, 0))

    @property
    def cold(self) -> bool:
        """Whether a unit that finds nothing in the caches is another thing than one that does, and worth timing."""
        return False

    @property
    @abstractmethod
    def label(self) -> str:
        """A short name that tells this case from others, such as "adam float32 1e+05"."""

    @property
    @abstractmethod
    def steps_per_unit(self) -> int:
        """How many optimizer steps one unit does."""

    @property
    @abstractmethod
    def bytes_per_step(self) -> int:
        """Bytes that the optimizer update of one step must read and write at least."""

    @abstractmethod
    def checks(self) -> tuple[Check, ...]:
        """Return the cases on which every contender must agree with the reference before this case may be timed."""

    @abstractmethod
    def error(self, result: npt.NDArray[Any], units: int) -> float:
        """Return how far `result`, parameters (n,) after `units` of this case, is from the reference.

        Relative to how far the reference moved, so that 1 is as bad as not moving at all; inf for a wrong shape, nan
        if `result` holds one.
        """

    def record(self) -> dict[str, Any]:
        """Return this case as a JSON-able dict, its kind included; `case_from` turns it back."""
        return {"kind": self.kind, **dataclasses.asdict(self)}


class Contender(ABC):
    """Something timed. `name` is its key in the menu; a fresh one is made, by `prepare`, for every block.

    It lives in a worker's process of its own: libraries are imported in `prepare`, never at the top of a module.
    """

    name: ClassVar[str]
    packages: ClassVar[dict[str, str]] = {}  # what it needs: name to import -> name to install
    role: ClassVar[str] = PEER  # or OURS, CEILING, PART
    answers: ClassVar[bool] = True  # False: it does not do the work of the case, and its answer is not checked

    @classmethod
    def suits(cls, case: Any) -> bool:
        """Return whether this contender was made for such cases at all; if not, it is left off their menu."""
        return True

    def available(self) -> str | None:
        """Return None, or one line that says what is missing and how to install it."""
        missing = [install for name, install in self.packages.items() if importlib.util.find_spec(name) is None]
        if not missing:
            return None
        return f"{', '.join(missing)} not installed: pip install {' '.join(missing)}"

    @abstractmethod
    def prepare(self, case: Any) -> None:
        """Allocate and fill everything that `case` needs, and compile what can be.

        Raises PeerUnavailable, with the reason in one line, when this contender has no such work to offer.
        """

    @abstractmethod
    def run(self, repeats: int) -> None:
        """Do exactly `repeats` units of work, going on from where the last call stopped. This is what is timed."""

    @abstractmethod
    def result(self) -> npt.NDArray[Any]:
        """Return the parameters as they stand, a flat NumPy array (n,), in the layout of the case."""


def case_from(record: dict[str, Any]) -> Case:
    """Return the case of a record made by `Case.record`; raises ConfigError for an unknown kind or field."""
    fields = dict(record)
    kind = fields.pop("kind", None)
    try:
        case: Case = _module(kind).CASE(**fields)
    except TypeError as error:
        raise ConfigError(f'not a case of kind "{kind}": {error}') from error
    return case


def find(kind: str, name: str) -> type[Contender]:
    """Return the contender called `name` on the menu of `kind`, or the class that "FILE.py:Class" names.

    Raises ConfigError for a name that is not on the menu, and for a file or class that cannot be loaded.
    """
    path, separator, attribute = name.rpartition(".py:")
    if separator:
        return _from_file(f"{path}.py", attribute)
    menu: dict[str, type[Contender]] = _module(kind).CONTENDERS
    if name not in menu:
        raise unknown_name(f"{kind} contender", name, menu)
    return menu[name]


def menu(kind: str) -> tuple[str, ...]:
    """Return the names on the menu of `kind`, ours first; raises ConfigError for an unknown kind."""
    return tuple(_module(kind).CONTENDERS)


def menu_for(case: Case) -> tuple[str, ...]:
    """Return the names on the menu of the case's kind that were made for such cases, ours first."""
    return tuple(name for name in menu(case.kind) if find(case.kind, name).suits(case))


def versions(kind: str, name: str) -> dict[str, str]:
    """Return the versions of what the contender `name` needs, as installed here; what is missing is left out."""
    found = {}
    for package in ("numpy", *find(kind, name).packages.values()):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def check_whole(**values: tuple[object, int]) -> None:
    """Raise ConfigError unless each value, given as name=(value, least), is a whole number of at least `least`."""
    for name, (value, least) in values.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")


def check_dtype(dtype: object) -> None:
    """Raise ConfigError unless `dtype` is "float32" or "float64"."""
    if dtype not in ("float32", "float64"):
        raise ConfigError(f'dtype must be "float32" or "float64", got {dtype!r}')


def _module(kind: object) -> Any:
    if kind not in KINDS:
        raise unknown_name("kind of case", kind, KINDS)
    return importlib.import_module(KINDS[str(kind)])


def register_contender(kind: str, contender: type[Contender]) -> type[Contender]:
    """Put a contender of one's own on the menu of `kind`, under its `name`, and return it.

    One's own may be registered again; names that fastopt's contenders have are taken. Raises ConfigError for an unknown
    kind, a class that is no `Contender`, and a name that is empty or taken.
    """
    menu: dict[str, type[Contender]] = _module(kind).CONTENDERS
    if not (isinstance(contender, type) and issubclass(contender, Contender)):
        raise ConfigError(f"a contender is a subclass of fastopt.Contender, got {contender!r}")
    name = getattr(contender, "name", None)
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"contender {contender.__name__} needs a name, got {name!r}")
    if name in menu and menu[name].__module__.startswith("fastopt."):
        raise ConfigError(f'"{name}" is a {kind} contender of fastopt: choose another name')
    menu[name] = contender
    return contender


def _from_file(path: str, attribute: str) -> type[Contender]:
    found = getattr(plugins.load(path), attribute, None)
    if not (isinstance(found, type) and issubclass(found, Contender)):
        raise ConfigError(f"{path} has no contender class {attribute}")
    return found
