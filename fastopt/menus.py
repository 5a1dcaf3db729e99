"""The menus: what can be named on the command line, and what each entry needs. `fastopt list` prints them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator

from fastopt.bench import contenders
from fastopt.errors import unknown_name
from fastopt.measurements import PEER
from fastopt.optimizers import OPTIMIZERS
from fastopt.optimizers.base import Options
from fastopt.training.datasets import DATASETS
from fastopt.training.models import MODELS
from fastopt.training.schedules import REQUIRED, SCHEDULES, options_of, warm_up


def lines(menu: str | None = None) -> list[str]:
    """Return the lines of one menu, or of all; raises ConfigError for an unknown one."""
    if menu is not None and menu not in MENUS:
        raise unknown_name("menu", menu, MENUS)
    shown = MENUS if menu is None else {menu: MENUS[menu]}
    return [line for name, entries in shown.items() for line in (f"{name}:", *(f"  {e}" for e in entries()), "")][:-1]


def _optimizers() -> Iterator[str]:
    for name, kind in OPTIMIZERS.items():
        parameters = inspect.signature(kind.__init__).parameters.values()
        own = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"]
        options = ", ".join(f"{p.name}={p.default}" for p in own)
        yield f"{name}({options}): {_first_sentence(kind)}"
    yield f"every one takes {', '.join(Options.__annotations__)} too"


def _models() -> Iterator[str]:
    return iter(MODELS)


def _datasets() -> Iterator[str]:
    for name, load in DATASETS.items():
        sentence = _first_sentence(load)
        yield f"{name}: {sentence}" if sentence else name
    yield "your own .csv or .parquet (--label COLUMN), .npz, or .npy (--label FILE)"


def _schedules() -> Iterator[str]:
    for name, schedule in SCHEDULES.items():
        options = _schedule_options(schedule)
        yield f"{name}({options}): {_first_sentence(schedule)}" if options else f"{name}: {_first_sentence(schedule)}"
    yield f"every one takes {_schedule_options(warm_up)} too: {_first_sentence(warm_up)}"


def _schedule_options(schedule: Callable[..., object]) -> str:
    options = options_of(schedule).items()
    return ", ".join(key if option.default is REQUIRED else f"{key}={option.default}" for key, option in options)


def _peers() -> Iterator[str]:
    for kind in contenders.KINDS:
        for name in contenders.menu(kind):
            contender = contenders.find(kind, name)
            if contender.role == PEER:
                yield f"{name}, {kind}: {contender().available() or 'ready'}"


def _first_sentence(documented: object) -> str:
    text = " ".join((inspect.getdoc(documented) or "").split("\n\n")[0].split())
    return re.split(r"\. (?=[A-Z])", text)[0].rstrip(".")


MENUS: dict[str, Callable[[], Iterator[str]]] = {
    "optimizers": _optimizers,
    "models": _models,
    "datasets": _datasets,
    "schedules": _schedules,
    "peers": _peers,
}
