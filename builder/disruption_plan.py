"""What `optbuild disrupt` is going to run, fixed before the first run and kept in `plan.json`."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.steady import FEWEST
from builder import digests
from builder.files import write_json
from builder.plan import Slo
from variants._errors import OptbuildError

# Of the first variant's capacity: what is left of two replicas when one is gone must carry it.
CAPACITY_SHARE = 0.5
START_S = 15.0  # for the estimate only: start, warm-up and stop of the replicas
RUN_OVERHEAD_S = 5.0  # for the estimate only
FAULT_BETWEEN = (0.25, 0.35)  # shares of the run, before which the steady state is seen


@dataclass(frozen=True)
class Choices:
    """What the user asked for; a resumed experiment must ask for the same."""

    specs: tuple[str, ...]
    experiments: tuple[str, ...]
    scenario: str
    target: str
    blocks: int
    duration_s: float
    rate_rps: float | None  # None: half of the first variant's capacity
    slo: Slo
    seed: int
    timeout_s: float
    margin: float
    model: str | None
    model_digest: str
    texts_sha256: str


@dataclass(frozen=True)
class Plan:
    """The choices and what was derived from them when the experiment was started."""

    choices: Choices
    tags: tuple[str, ...]  # of the Bentos, in the order of the specs
    rate_rps: float
    capacity_rps: float | None  # of the first variant; None if the rate was given
    texts_source: str
    command: str

    @property
    def digest(self) -> str:
        """Hex sha256 of the plan."""
        return digests.of_json(asdict(self))

    def runs(self) -> int:
        """Number of runs, if none has to be repeated."""
        choices = self.choices
        return len(choices.specs) * len(choices.experiments) * choices.blocks

    def estimated_s(self) -> float:
        """Seconds that it takes, if no block has to be repeated."""
        return self.runs() * (self.choices.duration_s + START_S + RUN_OVERHEAD_S)

    def experiment_order(self, block: int) -> list[str]:
        """The experiments in the random order in which a block does them."""
        names = self.choices.experiments
        return [names[int(i)] for i in self._rng(block, 0).permutation(len(names))]

    def variant_order(self, block: int, experiment: str) -> list[int]:
        """Positions of the specs in the random order of this block and experiment."""
        count = len(self.choices.specs)
        return [int(i) for i in self._rng(block, 1, experiment).permutation(count)]

    def schedule_seed(self, block: int, experiment: str) -> int:
        """Seed of the one schedule that every variant of a block replays."""
        return int(digests.of_json([self.choices.seed, experiment, block])[:7], 16)

    def fault_s(self, block: int, experiment: str) -> float:
        """Seconds from the schedule's origin to the fault, the same for every variant."""
        low, high = (share * self.choices.duration_s for share in FAULT_BETWEEN)
        return round(float(self._rng(block, 2, experiment).uniform(low, high)), 3)

    def victim_rng(self, block: int, experiment: str) -> np.random.Generator:
        """What the fault draws from, the same for every variant."""
        return self._rng(block, 3, experiment)

    def _rng(self, block: int, purpose: int, experiment: str = "") -> np.random.Generator:
        name = int(digests.of_json(experiment)[:7], 16)
        return np.random.default_rng([self.choices.seed, block, purpose, name])


def require_steady(rate_rps: float, duration_s: float, slo: Slo) -> None:
    """Raise OptbuildError unless enough is seen before the earliest fault to call it steady.

    A bursty schedule may have fewer than average there: half as many again are asked for.
    """
    least_s = (slo.limit_s + 1.5 * FEWEST / rate_rps) / FAULT_BETWEEN[0]
    if duration_s < least_s:
        raise OptbuildError(
            f"too few requests come before the fault to see a steady state in {duration_s:g} s: "
            f"give --duration {math.ceil(least_s)} or more"
        )


def save(plan: Plan, directory: Path) -> None:
    """Write `plan.json`."""
    write_json(directory / "plan.json", {"format": 1, **asdict(plan)})


def load(directory: Path) -> Plan | None:
    """The plan of a directory; None if there is none yet."""
    path = directory / "plan.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != 1:
            raise OptbuildError(f"{path} is of another version of optbuild: choose another --out")
        choices = content.pop("choices")
        lists = {key: tuple(choices[key]) for key in ("specs", "experiments")}
        choices = Choices(**{**choices, **lists, "slo": Slo(**choices["slo"])})
        return Plan(choices=choices, **{**content, "tags": tuple(content["tags"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise OptbuildError(f"{path} cannot be read ({error}): choose another --out") from error


def require_same(asked: Choices, kept: Choices) -> None:
    """Raise OptbuildError that names the difference, if a resumed one asks for another plan."""
    before = asdict(kept)
    for name, value in asdict(asked).items():
        if value != before[name]:
            raise OptbuildError(
                f"the directory holds disruptions with another {name} ({before[name]}, not "
                f"{value}): resume with the options it was started with, or choose another --out"
            )
