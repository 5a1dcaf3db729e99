"""The text grammar of names with options, as one writes them on a command line or in a file of settings.

    adam    cosine(floor=0.1)    adam(eps_form=inside, beta2=0.99)    multistep(at=1000/2000/5000, gamma=0.5)

A value is a number, true, false, none, a word, or a list of numbers with slashes between them: commas separate options.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastopt.errors import ConfigError, unknown_name

_SPEC = re.compile(r"\s*([\w-]+)\s*(?:\((.*)\))?\s*", re.DOTALL)
_WORDS = {"true": True, "false": False, "none": None}


@dataclass(frozen=True)
class Grammar:
    """How things of one `kind` are written: the `menu` of their names, and the options that each takes.

    `options_of(name)` lists the names of options in the order of canonical texts; `example` is what errors show.
    """

    kind: str
    menu: Mapping[str, object]
    options_of: Callable[[str], tuple[str, ...]]
    example: str

    def parse(self, spec: str) -> tuple[str, dict[str, Any]]:
        """Return (name, options) of a text; values are float, bool, None, str, or a tuple of float for a list.

        Raises ConfigError for a text that cannot be read, an unknown name or option, and an option given twice.
        """
        found = _SPEC.fullmatch(spec) if isinstance(spec, str) else None
        if found is None:
            raise ConfigError(f'cannot read {self.kind} "{spec}": write it as {self.example}')
        name, inner = found.groups()
        if name not in self.menu:
            raise unknown_name(self.kind, name, self.menu)
        options: dict[str, Any] = {}
        for part in (inner or "").split(","):
            key, equals, value = (word.strip() for word in part.partition("="))
            if not part.strip():
                continue
            if not equals or not value:
                raise ConfigError(f'cannot read "{part.strip()}" of {self.kind} "{spec}": write name=value')
            if key not in self.options_of(name):
                raise unknown_name(f"option of {name}", key, self.options_of(name))
            if key in options:
                raise ConfigError(f'"{key}" is given twice in {self.kind} "{spec}"')
            options[key] = _value(value)
        return name, options

    def text(self, name: str, options: Mapping[str, Any]) -> str:
        """Return the canonical text of a name with options: in the order of `options_of`, no blanks.

        Defaults that are written out stay so: `adam(beta2=0.999)` is not `adam`.
        """
        inner = ",".join(f"{key}={_text(options[key])}" for key in self.options_of(name) if key in options)
        return f"{name}({inner})" if inner else name

    def canonical(self, spec: str) -> str:
        """Return one text for all ways of writing the same options; raises as `parse` does."""
        return self.text(*self.parse(spec))


def split(text: str) -> tuple[str, ...]:
    """Split a list of names with options at its commas, those in parentheses left alone."""
    parts = re.split(r",(?![^()]*\))", text)
    return tuple(part.strip() for part in parts if part.strip())


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        numbers = tuple(float(part) for part in text.split("/"))
    except ValueError:
        return text.strip("\"'")
    return numbers if len(numbers) > 1 else numbers[0]


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "/".join(_text(number) for number in value)
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return value if isinstance(value, str) else str(value).lower()
