"""Experiments of the same variants on two days."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_runs
from fake_runs import Experiment, planted

from analysis.across import Across, compare_sides
from analysis.compare import Metric
from analysis.sides import find_sides

SPECS = ("baseline", "onnx", "onnx+batching:max=8,wait=1s")
FACTORS = {"baseline": 1.0, "onnx": 0.5, "onnx+batching:max=8,wait=1s": 1.0}
SETTINGS: dict[str, Any] = {
    "specs": SPECS,
    "scenarios": ("steady",),
    "blocks": 8,
    "duration_s": 10.0,
}


def write(
    out: Path, factors: dict[str, float] = FACTORS, noise: float = 0.004, **more: Any
) -> Path:
    return fake_runs.write(out, Experiment(planted(factors, noise), **(SETTINGS | more)))


def edit(out: Path, change: Callable[[dict[str, Any]], object]) -> None:
    for folder in (out / "runs").iterdir():
        fake_runs.edit_json(folder, change)


def later(out: Path, factors: dict[str, float] = FACTORS, slower: float = 1.0, **more: Any) -> Path:
    """As `write`, three days later, when everything is slower by a factor."""
    write(out, {spec: slower * factor for spec, factor in factors.items()}, **more)
    edit(out, lambda run: run.update(started_at=run["started_at"].replace("-22T", "-25T")))
    return out


def compare(
    directory: Path, old: str, new: str, metric: Metric = "p95", margin: float | None = None
) -> Across:
    return compare_sides(find_sides(directory, old, new), metric, margin)
