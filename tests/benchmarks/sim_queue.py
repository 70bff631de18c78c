"""What the choices of `microbatch` are worth, on a simulated machine that has no noise.

    python tests/benchmarks/sim_queue.py [--lanes 2] [--narrow 0.83 68.5] ...

A real machine hides a tenth of the latency behind what else it does; here the same arrivals meet
the same costs under every choice, and `bentofiles.packing.pack` and `bentofiles.wide` are those of
the Bento. Requests have the lengths of the texts that load tests send. A pass takes what its costs
say, times a random factor (15%); two passes that want the same CPU share it.

Which requests run together: `alone`, none; `cheaper`, all that together cost less than apart;
`pack`, ours. Which single requests take idle CPUs: `never`, `always` where that is faster, `pays`,
ours. Prints mean, p50 and p99 of the latency under open loops at shares of what single requests
can make of the lanes, and texts a second in closed loops. A benchmark, not a test.
"""

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from bentofiles.packing import Costs, Size, pack, size_of  # noqa: E402
from bentofiles.wide import Meetings, Wide  # noqa: E402
from loadtests._schedule import renewal  # noqa: E402
from loadtests._texts import load_texts  # noqa: E402

Floats = npt.NDArray[np.float64]
Together = Callable[[Sequence[Size], int, "Machine"], list[int]]
Widely = Callable[[Size, float, Wide], bool]
How = tuple[Together, Widely]

MOST_TOKENS, MOST_TEXTS, LOOKED_AT = 4096, 32, 64
NOISE = 0.15  # coefficient of variation of a pass
REQUESTS = 6000
SEEDS = range(3)
LOADS = ((0.1, 1.0), (0.3, 1.0), (0.3, 3.0), (0.5, 1.0), (0.5, 3.0), (0.8, 1.0), (0.8, 3.0))
CONNECTIONS = (16, 64)
# A wide pass waits for the slowest of its threads, and one of those shares its CPU.
SHARED_WIDE, SHARED_NARROW = 0.55, 0.6


@dataclass(frozen=True)
class Machine:
    """Lanes and costs."""

    lanes: int
    together: Costs
    wide: Wide

    def capacity_rps(self, sizes: Sequence[Size]) -> float:
        """Single requests a second with all lanes busy."""
        return self.lanes / float(np.mean([self.wide.narrow.of(*size) for size in sizes]))


def alone(waiting: Sequence[Size], beyond: int, machine: Machine) -> list[int]:
    """First come, first served."""
    return [0]


def cheaper(waiting: Sequence[Size], beyond: int, machine: Machine) -> list[int]:
    """All that make the pass cheaper than its parts, the nearest in length first."""
    chosen, tokens = [0], waiting[0].tokens
    for index in sorted(
        range(1, len(waiting)), key=lambda i: abs(waiting[i].tokens - waiting[0].tokens)
    ):
        padded, texts = max(tokens, waiting[index].tokens), len(chosen) + 1
        within = texts <= MOST_TEXTS and texts * padded <= MOST_TOKENS
        costs = machine.together
        apart_s = costs.of(len(chosen), tokens) + costs.of(1, waiting[index].tokens)
        if within and costs.of(texts, padded) < apart_s:
            chosen.append(index)
            tokens = padded
    return chosen


def ours(waiting: Sequence[Size], beyond: int, machine: Machine) -> list[int]:
    """What the Bento does."""
    return pack(
        waiting, machine.together, MOST_TOKENS, MOST_TEXTS, lanes=machine.lanes, beyond=beyond
    )


TOGETHER: dict[str, Together] = {"alone": alone, "cheaper": cheaper, "pack": ours}
WIDELY: dict[str, Widely] = {
    "never": lambda size, met, wide: False,
    "always": lambda size, met, wide: wide.pays(size, 0.0),
    "pays": lambda size, met, wide: wide.pays(size, met),
}


@dataclass
class Pass:
    """Requests that run, the seconds of CPU that are left, and on how many lanes' CPUs."""

    members: list[int]
    left_s: float
    cpus: int


@dataclass
class Simulation:
    """One schedule through one machine under one choice."""

    machine: Machine
    sizes: Sequence[Size]  # of each request
    together: Together
    widely: Widely
    rng: np.random.Generator
    running: list[Pass] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    meetings: Meetings = field(default_factory=Meetings)

    def finish(self, arrivals_s: Sequence[float], later: int = 0) -> tuple[Floats, Floats]:
        """When each request came and was done; the last `later` come as others are done."""
        came_s = np.array([*arrivals_s, *[np.nan] * later])
        done_s, now_s, following = np.full(len(came_s), np.nan), 0.0, 0
        reserve = iter(range(len(arrivals_s), len(came_s)))
        while following < len(arrivals_s) or self.running:
            speeds = self._speeds()
            ends_s = [one.left_s / speed for one, speed in zip(self.running, speeds, strict=True)]
            end_s = min(ends_s, default=math.inf)
            more = following < len(arrivals_s)
            come_s = arrivals_s[following] - now_s if more else math.inf
            step_s = max(0.0, min(end_s, come_s))
            now_s += step_s
            for one, speed in zip(self.running, speeds, strict=True):
                one.left_s -= step_s * speed
            if come_s <= end_s:
                self._come(following)
                following += 1
            else:
                ended = self.running.pop(ends_s.index(end_s))
                done_s[ended.members] = now_s
                for index in itertools.islice(reserve, len(ended.members)):
                    came_s[index] = now_s
                    self._come(index)
            self._begin()
        return came_s, done_s

    def _come(self, index: int) -> None:
        self.meetings.arrived(self._room())
        self.waiting.append(index)

    def _speeds(self) -> list[float]:
        if sum(one.cpus for one in self.running) <= self.machine.lanes:
            return [1.0] * len(self.running)
        return [SHARED_WIDE if one.cpus > 1 else SHARED_NARROW for one in self.running]

    def _room(self) -> bool:
        spare = self.machine.lanes - sum(one.cpus for one in self.running) - len(self.waiting)
        return spare >= self.machine.wide.lanes

    def _begin(self) -> None:
        while self.waiting and (idle := self.machine.lanes - len(self.running)):
            looked_at = [self.sizes[index] for index in self.waiting[:LOOKED_AT]]
            beyond = len(self.waiting) - len(looked_at)
            chosen = self.together(looked_at, beyond, self.machine)[: -(-len(self.waiting) // idle)]
            members = [self.waiting[place] for place in chosen]
            self.waiting = [index for index in self.waiting if index not in set(members)]
            self.running.append(self._pass(members))

    def _pass(self, members: list[int]) -> Pass:
        machine, size = self.machine, self.sizes[members[0]]
        factor = self.rng.gamma(NOISE**-2, NOISE**2)
        if len(members) > 1:
            tokens = max(self.sizes[index].tokens for index in members)
            return Pass(members, factor * machine.together.of(len(members), tokens), 1)
        if self._room() and self.widely(size, self.meetings.share, machine.wide):
            return Pass(members, factor * machine.wide.costs.of(*size), machine.wide.lanes)
        return Pass(members, factor * machine.wide.narrow.of(*size), 1)


def open_loop(machine: Machine, texts: Sequence[Size], share: float, cv: float, how: How) -> Floats:
    """Mean, p50 and p99 of the latency in ms at a share of the capacity, over all SEEDS."""
    rate_rps = share * machine.capacity_rps(texts)
    found = []
    for seed in SEEDS:
        schedule = renewal(rate_rps, cv, REQUESTS / rate_rps, seed, len(texts))
        sizes = [texts[place] for place in schedule.payload]
        one = Simulation(machine, sizes, *how, np.random.default_rng(seed))
        came_s, done_s = one.finish(schedule.planned_s.tolist())
        latency_s = done_s - came_s
        found.append([latency_s.mean(), *np.quantile(latency_s, [0.5, 0.99])])
    return 1000 * np.mean(found, axis=0)


def closed_loop(machine: Machine, texts: Sequence[Size], connections: int, how: How) -> float:
    """Texts a second, as a share of what single requests can make of the lanes."""
    rng = np.random.default_rng(0)
    sizes = [texts[place] for place in rng.integers(len(texts), size=REQUESTS)]
    one = Simulation(machine, sizes, *how, rng)
    _, done_s = one.finish([0.0] * connections, later=REQUESTS - connections)
    return REQUESTS / float(done_s.max()) / machine.capacity_rps(texts)


def table(machine: Machine, texts: Sequence[Size], hows: dict[str, How]) -> None:
    """Print a row for each load, a column for each choice."""
    print(f"\n| load | {' | '.join(hows)} |\n|---|{'---|' * len(hows)}")
    for share, cv in LOADS:
        cells = [
            "{:.2f}, {:.2f}, {:.1f} ms".format(*open_loop(machine, texts, share, cv, how))
            for how in hows.values()
        ]
        print(f"| {share:.0%}, {'bursty' if cv > 1 else 'Poisson'} | {' | '.join(cells)} |")
    for connections in CONNECTIONS:
        cells = [f"{closed_loop(machine, texts, connections, how):.3f}" for how in hows.values()]
        print(f"| {connections} connections | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lanes", type=int, default=2)
    line = {"type": float, "nargs": 2, "metavar": ("CALL_MS", "TOKEN_US")}
    parser.add_argument("--together", **line, default=(0.68, 75.0), help="of texts in one pass")
    parser.add_argument("--narrow", **line, default=(0.83, 68.5), help="of one text")
    parser.add_argument("--wide", **line, default=(1.37, 41.5), help="of one text, on --wide-lanes")
    parser.add_argument("--wide-lanes", type=int, default=2)
    options = parser.parse_args()
    together, narrow, wide = (
        Costs(call / 1e3, token / 1e6)
        for call, token in (options.together, options.narrow, options.wide)
    )
    machine = Machine(
        options.lanes, together, Wide(lambda texts: None, options.wide_lanes, wide, narrow)
    )
    texts = [size_of([text], 512) for text in load_texts(None).texts]
    print(f"{machine.capacity_rps(texts):.0f} single requests a second; mean, p50, p99 of latency")
    print("\nWhich run together (single ones take idle CPUs as ours do):")
    table(machine, texts, {name: (how, WIDELY["pays"]) for name, how in TOGETHER.items()})
    print("\nWhich single ones take idle CPUs (they run together as ours do):")
    table(machine, texts, {name: (TOGETHER["pack"], how) for name, how in WIDELY.items()})


if __name__ == "__main__":
    main()
