"""What a report is made of: the findings of an ablation, a sweep, or both, from one folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.findings import Findings, find
from variants._errors import OptbuildError

if TYPE_CHECKING:  # it brings scipy, which most reports do not need
    from analysis.sweep import Sweep


@dataclass(frozen=True)
class Material:
    """At least one of `findings` and `sweep`; `problems` are one-line warnings about the other."""

    directory: Path
    findings: Findings | None
    sweep: "Sweep | None"
    problems: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything that was left out, whichever part it belongs to."""
        runs = self.findings.runs.problems if self.findings else ()
        return (*self.problems, *runs, *(self.sweep.problems if self.sweep else ()))


def gather(directory: Path) -> Material:
    """Read what DIRECTORY holds; OptbuildError where that is neither an ablation nor a sweep."""
    problems = []
    sweep = None
    try:
        sweep = _sweep(directory)
    except OptbuildError as error:
        problems.append(str(error))
    try:
        findings = find(directory)
    except OptbuildError as error:
        if sweep is None:
            raise
        if (directory / "runs").is_dir():
            problems.append(str(error))
        findings = None
    return Material(directory, findings, sweep, tuple(problems))


def _sweep(directory: Path) -> "Sweep | None":
    if not (directory / "sweep").is_dir():
        return None
    from analysis.sweep import find_sweep

    return find_sweep(directory)
