"""The last A/A of this machine and model, kept in the cache for whoever plans after it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from analysis.noise import Noise
from builder import digests
from builder.files import write_json
from builder.machine import machine_facts
from builder.paths import cache_dir
from variants._errors import OptbuildError

FEWEST_BLOCKS = 6  # below, the standard deviation is known to a factor of two at best
SAME_MACHINE = ("host", "cpu_model", "cores", "memory_bytes", "priority")


@dataclass(frozen=True)
class Aa:
    """An A/A: when (ISO date), of what, how it was loaded, and the noise that it found."""

    date: str
    spec: str
    blocks: int
    duration_s: float
    rates_rps: Mapping[str, float]  # for each scenario
    noise: tuple[Noise, ...]
    target: str = "local"  # where the servers ran

    def p95(self, scenario: str) -> Noise | None:
        """The noise of p95 under a scenario, if the A/A had it."""
        for one in self.noise:
            if (one.scenario, one.metric) == (scenario, "p95"):
                return one
        return None

    def margin(self, scenarios: Sequence[str]) -> float:
        """The largest effect on p95 that it showed where there is none; 0.0 without a scenario."""
        return max((one.shown for name in scenarios if (one := self.p95(name))), default=0.0)


def keep(aa: Aa, model_digest: str) -> bool:
    """Make it the last one, unless it has too few blocks to plan by; whether it is."""
    if min((one.n for one in aa.noise), default=0) < FEWEST_BLOCKS:
        return False
    write_json(_path(model_digest), {"format": 1, **asdict(aa)})
    return True


def last(model_digest: str) -> Aa | None:
    """The last A/A of this machine and model. Raises OptbuildError if its file is broken."""
    path = _path(model_digest)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != 1:
            return None  # of another version: as if there were none
        return Aa(**{**content, "noise": tuple(Noise(**one) for one in content["noise"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptbuildError(f"{path} cannot be read ({error}): delete it") from error


def _path(model_digest: str) -> Path:
    facts = machine_facts()
    machine = digests.of_json({name: facts[name] for name in SAME_MACHINE})
    return cache_dir() / "aa" / f"{machine[:12]}-{model_digest[:12]}.json"
