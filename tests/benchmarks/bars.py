"""What a benchmark found beside what was promised: a Markdown table, and an exit code.

A figure is the median of interleaved repeats: in each round everything is measured once, so that
what the machine does meanwhile meets all of it. Its interval is their range, which holds the median
of such measurements with probability 1 - 2/2^n: 75% for three repeats, 99.9% for eleven.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from builder.machine import machine_facts


@dataclass(frozen=True)
class Figure:
    """The repeats of one measurement, and the most that their median may be."""

    name: str
    unit: str
    repeats: Sequence[float]
    at_most: float | None = None  # None: nothing was promised

    @property
    def median(self) -> float:
        return statistics.median(self.repeats)

    @property
    def missed(self) -> bool:
        return self.at_most is not None and self.median > self.at_most


def table(figures: Sequence[Figure], today: date, machine: str) -> str:
    """For the documentation."""
    lines = [
        f"Measured on {today}, {machine}.",
        "",
        "| what | median | range | repeats | bar |",
        "|---|---|---|---|---|",
    ]
    for one in figures:
        bar = "–"
        if one.at_most is not None:
            bar = f"at most {one.at_most:g} {one.unit}: {'MISSED' if one.missed else 'kept'}"
        low, high = min(one.repeats), max(one.repeats)
        lines.append(
            f"| {one.name} | {one.median:.3g} {one.unit} | {low:.3g} to {high:.3g} {one.unit} | "
            f"{len(one.repeats)} | {bar} |"
        )
    return "\n".join(lines)


def judge(figures: Sequence[Figure]) -> int:
    """Print the table; the exit code, 1 if a bar is missed."""
    print(table(figures, datetime.now(UTC).date(), this_machine()))
    return int(any(one.missed for one in figures))


def this_machine() -> str:
    """CPU, cores and memory."""
    facts = machine_facts()
    memory_bytes = float(str(facts["memory_bytes"]))
    return f"{facts['cpu_model']}, {facts['cores']} cores, {memory_bytes / 2**30:.0f} GiB"
