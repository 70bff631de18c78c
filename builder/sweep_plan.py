"""What a sweep is going to search, fixed before the first run and kept in `sweep/plan.json`."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.objective import Objective
from builder import digests
from builder.files import write_json
from builder.plan import RUN_OVERHEAD_S, SERVER_START_S
from builder.search import Grid, expected_visits, grid
from loadtests._schedule import MAX_ARRIVALS
from variants._errors import OptbuildError

FIRST_SHARE = 0.2  # of the capacity in a closed loop: where a search begins that is not told
HIGHEST_RPS = 100_000.0


@dataclass(frozen=True)
class SweepChoices:
    """What the user asked for; a resumed sweep must ask for the same."""

    specs: tuple[str, ...]
    scenario: str
    objective: Objective
    duration_s: float
    repeats: int
    resolution: float
    from_rps: float | None  # None: a fifth of what the variant answers in a closed loop
    to_rps: float | None
    seed: int
    timeout_s: float
    model: str | None
    model_digest: str
    texts_sha256: str

    @property
    def lowest_rps(self) -> float:
        """The lowest rate at which a run has the requests that its objective needs."""
        return self.objective.fewest_requests / self.duration_s

    @property
    def highest_rps(self) -> float:
        """The highest rate that the search may offer."""
        return min(self.to_rps or HIGHEST_RPS, MAX_ARRIVALS / self.duration_s)


@dataclass(frozen=True)
class SweepPlan:
    """The choices and what was derived from them when the sweep was started."""

    choices: SweepChoices
    tags: tuple[str, ...]  # of the Bentos, in the order of the specs
    starts_rps: Mapping[str, float]  # for each spec, where its search begins
    capacities_rps: Mapping[str, float]  # in a closed loop; empty if --from was given
    texts_source: str
    command: str

    @property
    def digest(self) -> str:
        """Hex sha256 of the plan."""
        return digests.of_json(asdict(self))

    def grid(self, spec: str) -> Grid:
        """The rates that the search of a variant may visit."""
        choices = self.choices
        lowest = choices.from_rps or choices.lowest_rps
        return grid(self.starts_rps[spec], choices.resolution, lowest, choices.highest_rps)

    def block(self, spec: str, number: int) -> int:
        """Block of a variant's visit 1, 2...: each run of a sweep is a block of its own."""
        specs = self.choices.specs
        return (number - 1) * len(specs) + specs.index(spec) + 1

    def schedule_seed(self, spec: str, number: int) -> int:
        """Seed of a visit's schedule: a fresh one for each."""
        choices = self.choices
        return int(digests.of_json([choices.seed, choices.scenario, spec, number])[:7], 16)

    def turn_order(self, number: int, waiting: int) -> list[int]:
        """A random order of the variants whose visit `number` is next."""
        rng = np.random.default_rng([self.choices.seed, number])
        return [int(i) for i in rng.permutation(waiting)]

    def estimated_run_s(self) -> float:
        """Seconds of one run, its fresh server included."""
        return self.choices.duration_s + RUN_OVERHEAD_S + SERVER_START_S

    def estimated_runs(self) -> int:
        """Number of runs of the whole sweep; the search itself decides."""
        return len(self.choices.specs) * expected_visits(self.choices.repeats)


def require_rates(choices: SweepChoices) -> None:
    """Raise OptbuildError unless the range of rates is one, and its runs can tell the objective."""
    if (choices.objective.goodput or 0.0) > 1:
        raise OptbuildError("more than all requests cannot be right: give --goodput at most 100%")
    if choices.from_rps is not None and choices.from_rps < choices.lowest_rps:
        expected = choices.from_rps * choices.duration_s
        raise OptbuildError(
            f"at {choices.from_rps:g}/s a run of {choices.duration_s:g} s sends about "
            f"{expected:.0f} requests, too few for {choices.objective}: give --duration "
            f"{math.ceil(choices.objective.fewest_requests / choices.from_rps)} or more, "
            f"or --from {choices.lowest_rps:g} or more"
        )
    if choices.highest_rps < (choices.from_rps or choices.lowest_rps):
        raise OptbuildError(
            f"--to {choices.highest_rps:g} is below the lowest rate, "
            f"{choices.from_rps or choices.lowest_rps:g}/s: raise it, or the --duration"
        )


def start_rps(choices: SweepChoices, capacity_rps: float | None) -> float:
    """Where the search of a variant begins, rounded to what a reader can say."""
    if choices.from_rps is not None:
        return choices.from_rps
    assert capacity_rps is not None
    share = float(f"{FIRST_SHARE * capacity_rps:.2g}")
    return min(max(share, _rounded_up(choices.lowest_rps)), choices.highest_rps)


def _rounded_up(rate_rps: float) -> float:
    """To two digits, but never to less."""
    unit: float = 10.0 ** (math.floor(math.log10(rate_rps)) - 1)
    return float(f"{math.ceil(rate_rps / unit - 1e-9) * unit:.3g}")


def save(plan: SweepPlan, folder: Path) -> None:
    """Write `plan.json`."""
    write_json(folder / "plan.json", {"format": 1, **asdict(plan)})


def load(folder: Path) -> SweepPlan | None:
    """The plan in a sweep's folder; None if there is none yet."""
    path = folder / "plan.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != 1:
            raise OptbuildError(f"{path} is of another version of optbuild: choose another --out")
        choices = content.pop("choices")
        choices["specs"] = tuple(choices["specs"])
        choices["objective"] = Objective(**choices["objective"])
        content["tags"] = tuple(content["tags"])
        return SweepPlan(choices=SweepChoices(**choices), **content)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptbuildError(f"{path} cannot be read ({error}): choose another --out") from error


def require_same(asked: SweepChoices, kept: SweepChoices) -> None:
    """Raise OptbuildError that names the difference, if a resumed sweep asks for another one."""
    before = asdict(kept)
    for name, value in asdict(asked).items():
        if value != before[name]:
            raise OptbuildError(
                f"the directory holds a sweep with another {name} ({before[name]}, not {value}): "
                "resume it with the options it was started with, or choose another --out"
            )
