"""Typed reading of a JSON object: the edge where `dict[str, Any]` ends.

Every error names the file and the field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from variants._errors import OptbuildError

MOST = 1e18  # larger than any count, byte or second of a run; sums of such stay finite
SHOWN = 80  # characters of a wrong value in a message


@dataclass(frozen=True)
class Fields:
    """One JSON object of `file`; `at` is its place in there, for messages."""

    raw: Mapping[str, Any]
    file: Path
    at: str = ""

    def __contains__(self, key: str) -> bool:
        return self.raw.get(key) is not None

    def wrong(self, key: str, wanted: str) -> OptbuildError:
        """The error "this field is not what it should be"."""
        place = f"{self.at}{key}"
        if key not in self.raw:
            return OptbuildError(
                f"{self.file}: the field {place} is missing; not a run of optbuild?"
            )
        value = repr(self.raw[key])
        value = value if len(value) <= SHOWN else f"{value[:SHOWN]}..."
        return OptbuildError(f"{self.file}: the field {place} is not {wanted}: {value}")

    def text(self, key: str, default: str | None = None) -> str:
        """A string; `default` where it is missing or null."""
        value = self.raw.get(key, default)
        value = default if value is None else value
        if not isinstance(value, str):
            raise self.wrong(key, "text")
        return value

    def maybe_text(self, key: str) -> str | None:
        """A string or null."""
        return self.text(key) if key in self else None

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number (booleans are none); `default` where it is missing or null."""
        value = self.raw.get(key, default)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key, "a number")
        if not abs(value) <= MOST:  # NaN is not either
            raise self.wrong(key, "a finite number")
        return float(value)

    def maybe_number(self, key: str) -> float | None:
        """A number or null."""
        return self.number(key) if key in self else None

    def integer(self, key: str) -> int:
        """A whole number."""
        value = self.number(key)
        if not value.is_integer():
            raise self.wrong(key, "a whole number")
        return int(value)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.raw.get(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def child(self, key: str) -> "Fields":
        """A nested object."""
        value = self.raw.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return Fields(value, self.file, f"{self.at}{key}.")

    def maybe_child(self, key: str) -> "Fields | None":
        """A nested object or null."""
        return self.child(key) if key in self else None

    def children(self, key: str) -> tuple["Fields", ...]:
        """A list of objects."""
        value = self.raw.get(key)
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.wrong(key, "a list of objects")
        return tuple(Fields(one, self.file, f"{self.at}{key}[{i}].") for i, one in enumerate(value))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self.raw.get(key)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.wrong(key, "a list of texts")
        return tuple(value)

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """An object of plain values as (name, text) pairs; empty where missing or null."""
        if key not in self:
            return ()
        return tuple((name, str(value)) for name, value in self.child(key).raw.items())
