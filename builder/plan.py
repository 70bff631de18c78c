"""What an ablation is going to run, fixed before the first run and kept in `plan.json`."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from analysis.compare import SCREENING_BELOW
from builder import digests
from builder.files import write_json
from builder.foresight import Foresight, detectable, family_of
from variants._design import Design
from variants._errors import OptbuildError
from variants._spec import layers_of

# Shares of the baseline's capacity at which `--rate auto` loads every variant. A scenario that is
# not named here is loaded like the steady one.
CAPACITY_SHARE = {"steady": 0.5, "bursty": 0.5, "high_intensity": 0.9}
DEFAULT_MARGIN = 0.03  # design: an effect within it is as good as none
MOST_ATTEMPTS = 3  # of a block whose runs fail a validity gate
FEWEST_REQUESTS = 50  # on average in a run; a bursty schedule of fewer may even be empty
SERVER_START_S = 6.0  # for the estimate only: start, warm-up and stop
RUN_OVERHEAD_S = 3.0  # for the estimate only: Locust's start, drain and writing


@dataclass(frozen=True)
class Slo:
    """A latency objective: this quantile below this limit."""

    quantile: str
    limit_s: float


@dataclass(frozen=True)
class Choices:
    """What the user asked for; a resumed ablation must ask for the same."""

    specs: tuple[str, ...]
    scenarios: tuple[str, ...]
    blocks: int
    duration_s: float
    rate_rps: float | None  # None: from the baseline's capacity
    slo: Slo
    seed: int
    timeout_s: float
    margin: float
    model: str | None
    model_digest: str
    texts_sha256: str
    # Choices that were not there from the start have the default that a plan without them meant.
    design: Design = "cumulative"
    detect: float | None = None  # the effect (ratio - 1) that chose the blocks
    until_width: float | None = None  # stop at intervals of this half-width (ratio - 1)
    target: str = "local"  # where the servers run

    @property
    def chain(self) -> tuple[str, ...]:
        """The specs that each add one layer to the one before: the first ones, up to the full."""
        if self.design == "cumulative":
            return self.specs
        return self.specs[: 1 + max(len(layers_of(spec)) for spec in self.specs)]

    @property
    def screening(self) -> bool:
        """Whether there are too few blocks for a verdict."""
        return self.blocks < SCREENING_BELOW

    def runs(self) -> int:
        """Number of runs, if none has to be repeated."""
        return len(self.specs) * len(self.scenarios) * self.blocks

    def estimated_s(self) -> float:
        """Seconds that the runs take, if no block has to be repeated."""
        starts = len(self.specs) * self.blocks
        return self.runs() * (self.duration_s + RUN_OVERHEAD_S) + starts * SERVER_START_S


@dataclass(frozen=True)
class Plan:
    """The choices and what was derived from them when the ablation was started."""

    choices: Choices
    tags: tuple[str, ...]  # of the Bentos, in the order of the specs
    rates_rps: Mapping[str, float]  # for each scenario
    capacity_rps: float | None  # of the baseline; None if the rate was given
    texts_source: str
    command: str
    foresight: Foresight | None = None

    @property
    def digest(self) -> str:
        """Hex sha256 of the plan.

        A choice that has its default takes no part, nor does what a foresight has not: a plan made
        before there was that choice keeps the digest that its finished runs have.
        """
        content = asdict(self)
        for field in fields(Choices):
            value = content["choices"][field.name]
            if field.default is not MISSING and value == field.default:
                del content["choices"][field.name]
        if self.foresight is None:
            del content["foresight"]
        elif not self.foresight.noise_interval:
            del content["foresight"]["noise_interval"]
        return digests.of_json(content)

    @property
    def margin(self) -> float:
        """Of the verdicts: the user's, or what an A/A showed before, if that is more."""
        return max(self.choices.margin, self.foresight.margin if self.foresight else 0.0)

    def detectable(self) -> dict[str, float | None]:
        """The smallest effect on p95 that is found under each scenario; empty if not foreseen."""
        if self.foresight is None:
            return {}
        family = family_of(self.choices.chain)
        return detectable(self.foresight, self.choices.blocks, family, self.margin)

    def variant_order(self, block: int) -> list[int]:
        """Positions of the specs in the random order in which a block runs them."""
        return [int(i) for i in self._rng(block, 0).permutation(len(self.choices.specs))]

    def scenario_order(self, block: int) -> list[str]:
        """Scenarios in a random order, the same for every variant of a block."""
        scenarios = self.choices.scenarios
        return [scenarios[int(i)] for i in self._rng(block, 1).permutation(len(scenarios))]

    def schedule_seed(self, scenario: str, block: int) -> int:
        """Seed of the one schedule that every variant of a block replays."""
        return int(digests.of_json([self.choices.seed, scenario, block])[:7], 16)

    def runs(self) -> int:
        """Number of runs, if none has to be repeated."""
        return self.choices.runs()

    def estimated_s(self) -> float:
        """Seconds that the ablation takes, if no block has to be repeated."""
        return self.choices.estimated_s()

    def _rng(self, block: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.choices.seed, block, purpose])


def rates(choices: Choices, capacity_rps: float | None) -> dict[str, float]:
    """Offered rate of each scenario, rounded to what a reader can say."""
    if choices.rate_rps is not None:
        return dict.fromkeys(choices.scenarios, choices.rate_rps)
    assert capacity_rps is not None
    return {
        scenario: float(f"{CAPACITY_SHARE.get(scenario, 0.5) * capacity_rps:.3g}")
        for scenario in choices.scenarios
    }


def require_enough(rates_rps: Mapping[str, float], duration_s: float) -> None:
    """Raise OptbuildError unless every run has the requests that its quantiles need."""
    scenario, rate_rps = min(rates_rps.items(), key=lambda item: item[1])
    expected = rate_rps * duration_s
    if expected < FEWEST_REQUESTS:
        raise OptbuildError(
            f"{scenario} at {rate_rps:g}/s sends about {expected:.0f} requests in "
            f"{duration_s:g} s, too few for a p95: "
            f"give --duration {least_duration_s(rates_rps):g} or more"
        )


def least_duration_s(rates_rps: Mapping[str, float]) -> float:
    """Whole seconds in which every scenario sends the requests that its quantiles need."""
    return float(math.ceil(FEWEST_REQUESTS / min(rates_rps.values())))


def parse_rate(text: str) -> float | None:
    """Requests a second; None for `auto`."""
    if text == "auto":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.01 <= rate <= 100_000:  # also refuses nan
        raise OptbuildError(f"the rate '{text}' is neither auto nor 0.01 to 100000 requests/s")
    return rate


def parse_slo(text: str) -> Slo:
    """An objective such as `p95<250ms`."""
    match = re.fullmatch(r"\s*(p50|p90|p95|p99)\s*<\s*(\d{1,6}(?:\.\d{1,6})?)\s*(ms|s)\s*", text)
    if match is None or float(match[2]) == 0:
        raise OptbuildError(f"the objective '{text}' is not like p95<250ms (p50, p90, p95 or p99)")
    return Slo(match[1], float(match[2]) / (1000 if match[3] == "ms" else 1))


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
        choices = Choices(
            **{
                **choices,
                "specs": tuple(choices["specs"]),
                "scenarios": tuple(choices["scenarios"]),
                "slo": Slo(**choices["slo"]),
            }
        )
        foresight = content.pop("foresight", None)
        return Plan(
            choices=choices,
            foresight=None if foresight is None else _foresight(foresight),
            **{**content, "tags": tuple(content["tags"])},
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptbuildError(f"{path} cannot be read ({error}): choose another --out") from error


def _foresight(content: dict[str, Any]) -> Foresight:
    intervals = content.pop("noise_interval", {})
    return Foresight(
        **content, noise_interval={name: (low, high) for name, (low, high) in intervals.items()}
    )


def require_same(asked: Choices, kept: Choices) -> None:
    """Raise OptbuildError that names the difference, if a resumed ablation asks for another plan.

    The margin and the objective take no part in measuring, but the report would mix two of them.
    """
    wanted, had = asdict(asked), asdict(kept)
    for name in sorted(wanted, key=lambda name: name != "design"):  # it decides on the specs
        value, before = wanted[name], had[name]
        if value != before:
            raise OptbuildError(
                f"the directory holds an ablation with another {name} ({before}, not {value}): "
                "resume it with the options it was started with, or choose another --out"
            )
