"""What the choices of `microbatch` are worth, on a simulated machine without other tenants.

    python tests/benchmarks/sim_queue.py [--lanes 2] [--costs 0.61 0.02 42] ...

A real machine hides a tenth of the latency behind what else it does; here the same arrivals meet
the same costs under every choice, and `bentofiles.packing.pack` and `bentofiles.wide` are those of
the Bento. Requests have the lengths of the texts that load tests send, in tokens of the bundled
tokenizer. A pass takes what its costs say, times a random factor (15%) that belongs to its first
request; passes that want more CPUs than there are share them.

Which requests run together: `alone`, none; `cheaper`, all that together cost less than apart;
`guess`, what ours takes by lengths estimated from characters; `pack`, ours, by counted ones.
Which single requests take idle CPUs: `never`, `always` where that is faster, `pays`, ours. Prints
mean, p50 and p99 of the latency under open loops at shares of what single requests can make of the
lanes, and texts a second in closed loops. A benchmark, not a test.
"""

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from bentofiles.packing import Costs, Size, pack, size_of  # noqa: E402
from bentofiles.reading import Reader  # noqa: E402
from bentofiles.wide import Meetings, Wide  # noqa: E402
from builder.paths import BUNDLED_MODEL  # noqa: E402
from loadtests._schedule import renewal  # noqa: E402
from loadtests._texts import load_texts  # noqa: E402


class Text(NamedTuple):
    """A request of one text: its size by counted tokens, and by those that it looks like."""

    counted: Size
    estimated: Size


Floats = npt.NDArray[np.float64]
Together = Callable[[Sequence[Text], int, "Machine"], list[int]]
Widely = Callable[[Size, float, "Machine"], bool]
How = tuple[Together, Widely]

MOST_TOKENS, MOST_TEXTS, LOOKED_AT = 2048, 32, 64  # as `microbatch` has them
NOISE = 0.15  # coefficient of variation of a pass
REQUESTS = 6000
SEEDS = range(3)
LOADS = (
    (0.1, 1.0),
    (0.1, 3.0),
    (0.3, 1.0),
    (0.3, 3.0),
    (0.5, 1.0),
    (0.5, 3.0),
    (0.8, 1.0),
    (0.8, 3.0),
)
CONNECTIONS = (16, 64)
# What sharing costs a wide pass beside its share: it waits for the slowest of its threads. A guess.
WIDE_SHARED = 0.85


@dataclass(frozen=True)
class Machine:
    """Lanes and costs."""

    lanes: int
    costs: Costs  # of a pass on one lane
    wide: Wide

    def capacity_rps(self, texts: Sequence[Text]) -> float:
        """Single requests a second with all lanes busy."""
        return self.lanes / float(np.mean([self.costs.of(*text.counted) for text in texts]))


def alone(waiting: Sequence[Text], beyond: int, machine: Machine) -> list[int]:
    """First come, first served."""
    return [0]


def cheaper(waiting: Sequence[Text], beyond: int, machine: Machine) -> list[int]:
    """All that make the pass cheaper than its parts: as if any number of requests waited."""
    return chosen([text.counted for text in waiting], 10**12, machine)


def guess(waiting: Sequence[Text], beyond: int, machine: Machine) -> list[int]:
    """What the Bento would do if it did not tokenize before it chooses."""
    return chosen([text.estimated for text in waiting], beyond, machine)


def ours(waiting: Sequence[Text], beyond: int, machine: Machine) -> list[int]:
    """What the Bento does."""
    return chosen([text.counted for text in waiting], beyond, machine)


def chosen(waiting: Sequence[Size], beyond: int, machine: Machine) -> list[int]:
    """The Bento's choice among requests of such sizes."""
    return pack(waiting, machine.costs, MOST_TOKENS, MOST_TEXTS, lanes=machine.lanes, beyond=beyond)


def pays(size: Size, met: float, machine: Machine) -> bool:
    """Whether the Bento takes idle CPUs."""
    return machine.wide.pays(size, machine.costs.of(*size), met)


TOGETHER: dict[str, Together] = {"alone": alone, "cheaper": cheaper, "guess": guess, "pack": ours}
WIDELY: dict[str, Widely] = {
    "never": lambda size, met, machine: False,
    "always": lambda size, met, machine: pays(size, 0.0, machine),
    "pays": pays,
}
HOWS = (
    ("alone", "never"),
    ("cheaper", "always"),
    ("guess", "never"),
    ("pack", "never"),
    ("pack", "always"),
    ("pack", "pays"),
)


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
    texts: Sequence[Text]  # of each request
    together: Together
    widely: Widely
    factors: Floats  # of each request: how much longer than expected the pass takes that it heads
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
                self._come(following, now_s)
                following += 1
            else:
                ended = self.running.pop(ends_s.index(end_s))
                done_s[ended.members] = now_s
                self._begin()  # the lane chooses before anybody who has an answer sends another
                for index in itertools.islice(reserve, len(ended.members)):
                    came_s[index] = now_s
                    self._come(index, now_s)
            self._begin()
        return came_s, done_s

    def _come(self, index: int, now_s: float) -> None:
        wide = self.machine.wide
        lasts_s = wide.costs.of(*self.texts[index].counted)
        self.meetings.arrived(now_s, self._spare() - wide.lanes, lasts_s)
        self.waiting.append(index)

    def _speeds(self) -> list[float]:
        share = self.machine.lanes / max(1, sum(one.cpus for one in self.running))
        if share >= 1:
            return [1.0] * len(self.running)
        return [share * (WIDE_SHARED if one.cpus > 1 else 1.0) for one in self.running]

    def _spare(self) -> int:
        return self.machine.lanes - sum(one.cpus for one in self.running) - len(self.waiting)

    def _begin(self) -> None:
        while self.waiting and (idle := self.machine.lanes - len(self.running)):
            looked_at = [self.texts[index] for index in self.waiting[:LOOKED_AT]]
            beyond = len(self.waiting) - len(looked_at)
            places = self.together(looked_at, beyond, self.machine)[: -(-len(self.waiting) // idle)]
            members = [self.waiting[place] for place in places]
            self.waiting = [index for index in self.waiting if index not in set(members)]
            self.running.append(self._pass(members))

    def _pass(self, members: list[int]) -> Pass:
        machine, size = self.machine, self.texts[members[0]].counted
        factor = self.factors[members[0]]
        wide = machine.wide
        room = len(members) == 1 and self._spare() >= wide.lanes
        if room and self.widely(size, self.meetings.share, machine):
            return Pass(members, factor * wide.costs.of(*size), wide.lanes)
        tokens = max(self.texts[index].counted.tokens for index in members)
        return Pass(members, factor * machine.costs.of(len(members), tokens), 1)


def open_loop(machine: Machine, texts: Sequence[Text], share: float, cv: float, how: How) -> Floats:
    """Mean, p50 and p99 of the latency in ms at a share of the capacity, over all SEEDS."""
    rate_rps = share * machine.capacity_rps(texts)
    found = []
    for seed in SEEDS:
        schedule = renewal(rate_rps, cv, REQUESTS / rate_rps, seed, len(texts))
        sent = [texts[place] for place in schedule.payload]
        one = Simulation(machine, sent, *how, factors(len(sent), seed))
        came_s, done_s = one.finish(schedule.planned_s.tolist())
        latency_s = done_s - came_s
        found.append([latency_s.mean(), *np.quantile(latency_s, [0.5, 0.99])])
    return 1000 * np.mean(found, axis=0)


def factors(count: int, seed: int) -> Floats:
    """Around one, the same under every choice."""
    return np.random.default_rng([seed, 1]).gamma(NOISE**-2, NOISE**2, count)


def closed_loop(machine: Machine, texts: Sequence[Text], connections: int, how: How) -> float:
    """Texts a second, as a share of what single requests can make of the lanes."""
    rng = np.random.default_rng(0)
    sent = [texts[place] for place in rng.integers(len(texts), size=REQUESTS)]
    one = Simulation(machine, sent, *how, factors(REQUESTS, 0))
    _, done_s = one.finish([0.0] * connections, later=REQUESTS - connections)
    return REQUESTS / float(done_s.max()) / machine.capacity_rps(texts)


def measured() -> list[Text]:
    """The texts that load tests send."""
    tokenizer = Tokenizer.from_file(str(BUNDLED_MODEL / "tokenizer.json"))
    tokenizer.enable_truncation(512)
    tokenizer.no_padding()
    reader, texts = Reader(tokenizer.encode_batch), load_texts(None).texts
    return [
        Text(Size(1, reader.estimated(len(tokens))), size_of([text], 512))
        for text, tokens in zip(texts, tokenizer.encode_batch(texts), strict=True)
    ]


def table(machine: Machine, texts: Sequence[Text]) -> None:
    """Print a row for each load, a column for each choice."""
    names = [" + ".join(name) for name in HOWS]
    hows = [(TOGETHER[together], WIDELY[widely]) for together, widely in HOWS]
    print(f"| load | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for share, cv in LOADS:
        cells = [
            "{:.2f}, {:.2f}, {:.1f} ms".format(*open_loop(machine, texts, share, cv, how))
            for how in hows
        ]
        row = f"{share:.0%}, {'bursty' if cv > 1 else 'Poisson'}"
        print(f"| {row} | {' | '.join(cells)} |", flush=True)
    for connections in CONNECTIONS:
        cells = [f"{closed_loop(machine, texts, connections, how):.3f}" for how in hows]
        print(f"| {connections} connections | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument(
        "--costs",
        type=float,
        nargs=3,
        metavar=("CALL_MS", "TEXT_MS", "TOKEN_US"),
        default=(0.61, 0.02, 42.0),
        help="of a pass on one lane",
    )
    parser.add_argument(
        "--wide",
        type=float,
        nargs=2,
        metavar=("CALL_MS", "TOKEN_US"),
        default=(0.85, 35.0),
        help="of one text on --wide-lanes",
    )
    parser.add_argument("--wide-lanes", type=int, default=2)
    options = parser.parse_args()
    call_ms, text_ms, token_us = options.costs
    costs = Costs(call_ms / 1e3, token_us / 1e6, text_ms / 1e3)
    call_ms, token_us = options.wide
    wide = Costs(call_ms / 1e3, token_us / 1e6)
    machine = Machine(options.lanes, costs, Wide(lambda texts: None, options.wide_lanes, wide))
    texts = measured()
    print(
        f"{machine.capacity_rps(texts):.0f} single requests a second; mean, p50, p99 of latency\n"
    )
    table(machine, texts)


if __name__ == "__main__":
    main()
