"""What a comparison of servers is going to run, fixed before the first block, in `plan.json`."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from builder import digests
from builder._peers_limit import Way
from builder._peers_script import Best, Settings
from builder.files import write_json
from variants._errors import OptbuildError

LIMIT = "in-process limit"  # takes part in every block like a server
FORMAT = 3  # of plan.json; 2 was of servers that always gave way, tuned with fewer rounds
LOW_RPS = 50.0
LOW_SHARE = 0.25  # of the limit at most: low load is to be low for a large model too
# A p99 needs 1000 requests, and the number that a schedule holds is random.
REQUESTS_FOR_P99 = 1150.0
LONGEST_S = 120.0


@dataclass(frozen=True)
class Load:
    """One way to load a server: a closed loop of `connections`, or an open-loop scenario."""

    connections: int | None = None
    scenario: str = ""
    share: float | None = None  # of the in-process limit; None: LOW_RPS

    @property
    def idle(self) -> bool:
        """Whether it leaves a server nearly idle."""
        return self.connections is None and self.share is None


LOADS: Mapping[str, Load] = {
    "saturated64": Load(connections=64),
    "saturated16": Load(connections=16),
    "low": Load(scenario="steady"),
    "steady50": Load(scenario="steady", share=0.5),
    "bursty50": Load(scenario="bursty", share=0.5),
    "steady80": Load(scenario="steady", share=0.8),
    "bursty80": Load(scenario="bursty", share=0.8),
}


@dataclass(frozen=True)
class Choices:
    """What the user asked for; a resumed comparison must ask for the same."""

    specs: tuple[str, ...]  # ours; the others are compared with the first
    peers: tuple[str, ...]
    loads: tuple[str, ...]
    blocks: int
    seconds: float
    seed: int
    timeout_s: float
    model: str | None
    model_digest: str
    texts_sha256: str


@dataclass(frozen=True)
class Plan:
    """The choices and what was found out before the first block."""

    choices: Choices
    limit_way: Way  # how the model is called for the in-process limit
    limit_probes: Mapping[str, float]  # texts a second of every way, before the first block
    machine: str  # its CPUs, in words
    graph_sha256: str  # of the one model that everybody serves
    tags: tuple[str, ...]  # of our Bentos
    requirements: Mapping[str, tuple[str, ...]]  # what each peer's environment was made from
    settings: Mapping[str, Best]  # of each peer that takes part
    # Of each peer, by settings: requests/s when busy and when nearly idle, or why there are none.
    probes: Mapping[str, Mapping[str, Mapping[str, float] | str]]
    absent: Mapping[str, str]  # peers that do not take part, and why
    taken_over: tuple[str, ...]  # peers whose settings are those of an earlier comparison
    command: str

    @property
    def limit_rps(self) -> float:
        """Texts a second without a server, before the first block."""
        return self.limit_probes[str(self.limit_way)]

    @property
    def contenders(self) -> tuple[str, ...]:
        """Who is measured in each block: the limit, our variants, the peers."""
        present = [peer for peer in self.choices.peers if peer in self.settings]
        return (LIMIT, *self.choices.specs, *present)

    @property
    def reference(self) -> str:
        """Whom all others are compared with: named before the first run, not the luckiest."""
        return self.choices.specs[0]

    def loads_of(self, contender: str) -> tuple[str, ...]:
        """The loads of a contender: the limit has no queue and no connections."""
        return ("direct",) if contender == LIMIT else self.choices.loads

    def settings_for(self, contender: str, load: str) -> Settings:
        """What a contender is started with for a load; nothing for ours, which has no choice."""
        if (best := self.settings.get(contender)) is None:
            return {}
        return best.idle if LOADS[load].idle else best.busy

    def order(self, block: int) -> list[str]:
        """The contenders in the random order of a block."""
        rng = np.random.default_rng([self.choices.seed, block, 0])
        return [self.contenders[int(i)] for i in rng.permutation(len(self.contenders))]

    def load_order(self, block: int) -> list[str]:
        """The loads in the random order of a block, the same for every contender."""
        rng = np.random.default_rng([self.choices.seed, block, 1])
        return [self.choices.loads[int(i)] for i in rng.permutation(len(self.choices.loads))]

    def rate_rps(self, load: str) -> float:
        """Offered rate of an open-loop load."""
        share = LOADS[load].share
        rate = min(LOW_RPS, LOW_SHARE * self.limit_rps) if share is None else share * self.limit_rps
        return float(f"{rate:.3g}")

    def seconds_of(self, load: str) -> float:
        """How long a run lasts: long enough for a p99 where that can be had."""
        seconds = self.choices.seconds
        if LOADS[load].connections is not None:
            return seconds
        return max(seconds, min(LONGEST_S, math.ceil(REQUESTS_FOR_P99 / self.rate_rps(load))))

    def schedule_seed(self, load: str, block: int) -> int:
        """Seed of the one schedule that every contender of a block replays."""
        return int(digests.of_json([self.choices.seed, load, block])[:7], 16)

    def runs(self) -> int:
        """Number of runs, if none has to be repeated."""
        return self.choices.blocks * sum(len(self.loads_of(one)) for one in self.contenders)

    def estimated_s(self) -> float:
        """Seconds that the runs take; 15 for each start, 3 around each run."""
        each = sum(self.seconds_of(load) + 3 for load in self.choices.loads)
        servers = len(self.contenders) - 1
        blocks = self.choices.blocks
        runs_s = blocks * (servers * each + self.choices.seconds + 3)
        return runs_s + 15 * sum(self._starts(block) for block in range(1, blocks + 1))

    def _starts(self, block: int) -> int:
        """Servers that are started in a block: one more where the next load has other settings."""
        order = self.load_order(block)
        changes = sum(
            self.settings_for(contender, load) != self.settings_for(contender, following)
            for contender in self.contenders
            for load, following in pairwise(order)
        )
        return len(self.contenders) - 1 + changes


def save(plan: Plan, directory: Path) -> None:
    """Write `plan.json`."""
    write_json(directory / "plan.json", {"format": FORMAT, "kind": "peers", **asdict(plan)})


def load(directory: Path, remedy: str = "choose another --out") -> Plan | None:
    """The plan of a directory; None if there is none yet.

    Raises OptbuildError, which ends with `remedy`, if it is not one or of another version.
    """
    path = directory / "plan.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        form = content.pop("format")
        if content.pop("kind", None) != "peers":
            raise OptbuildError(f"{path} is not of a comparison of servers: {remedy}")
        if form != FORMAT:
            raise ValueError(f"it has format {form}, not {FORMAT}")
        choices = content.pop("choices")
        lists = {name: tuple(choices[name]) for name in ("specs", "peers", "loads")}
        return Plan(
            choices=Choices(**{**choices, **lists}),
            **{
                **content,
                "limit_way": Way(**content["limit_way"]),
                "tags": tuple(content["tags"]),
                "requirements": {
                    peer: tuple(needed) for peer, needed in content["requirements"].items()
                },
                "settings": {peer: Best(**best) for peer, best in content["settings"].items()},
                "taken_over": tuple(content["taken_over"]),
            },
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise OptbuildError(f"{path} cannot be read by this version ({error}): {remedy}") from error


def require_same(asked: Choices, kept: Choices) -> None:
    """Raise OptbuildError that names the difference, if a resumed comparison asks for another."""
    for name, value in asdict(asked).items():
        before = asdict(kept)[name]
        if value != before:
            raise OptbuildError(
                f"the directory holds a comparison with another {name} ({before}, not {value}): "
                "resume it with the options it was started with, or choose another --out"
            )
