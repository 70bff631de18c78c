"""Numbers with units as a spec spells them; cores and bytes are Kubernetes quantities."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Unit = Literal["count", "seconds", "cores", "bytes"]


@dataclass(frozen=True)
class Notation:
    """How a unit is written: an example in words, what each suffix multiplies by, and back.

    A value is a whole multiple of `step`, unless that is None.
    """

    example: str
    suffixes: Mapping[str, int | str]
    step: str | None
    spell: Callable[[float], str]


def _spell_count(value: float) -> str:
    return f"{value:.10g}"


def _spell_seconds(value: float) -> str:
    return f"{value * 1000:.10g}ms" if value < 1 else f"{value:.10g}s"


def _spell_cores(value: float) -> str:
    return f"{value:.0f}" if value.is_integer() else f"{value * 1000:.0f}m"


def _spell_bytes(value: float) -> str:
    whole = int(value)
    for suffix, factor in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if whole % factor == 0:
            return f"{whole // factor}{suffix}"
    return str(whole)


_BYTES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_BYTES |= {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "": 1}

_NOTATIONS = {
    "count": Notation("a whole number", {"": 1}, "1", _spell_count),
    "seconds": Notation(
        "a duration such as 10ms or 2s", {"ms": "0.001", "s": 1}, None, _spell_seconds
    ),
    # Kubernetes takes nothing finer than a thousandth of a core.
    "cores": Notation(
        "an amount of CPU such as 500m, 1 or 1.5", {"m": "0.001", "": 1}, "0.001", _spell_cores
    ),
    "bytes": Notation("an amount of memory such as 512Mi or 1Gi", _BYTES, "1", _spell_bytes),
}


def example(unit: Unit) -> str:
    """What a value of this unit looks like, in words."""
    return _NOTATIONS[unit].example


def parse(unit: Unit, text: str) -> float | None:
    """The value in seconds, cores, bytes or as a count; None if the text is not one."""
    notation = _NOTATIONS[unit]
    # Bounded digits: `float` and `int` would accept a million of them.
    pattern = rf"(\d{{1,15}}(?:\.\d{{1,9}})?)({'|'.join(notation.suffixes)})"
    match = re.fullmatch(pattern, text, re.ASCII)
    if match is None:
        return None
    value = Decimal(match[1]) * Decimal(notation.suffixes[match[2]])
    if notation.step is not None and value % Decimal(notation.step):
        return None
    return float(value)


def spell(unit: Unit, value: float) -> str:
    """A value in its canonical spelling; `parse` reads it back."""
    return _NOTATIONS[unit].spell(value)
