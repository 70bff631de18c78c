"""What a lane runs next: which of those that wait, and on how many lanes' CPUs."""

from collections.abc import Sequence
from itertools import accumulate
from time import perf_counter
from typing import NamedTuple

from bentofiles.line import Line, Part
from bentofiles.packing import Costs, Run, pack
from bentofiles.passes import Passes
from bentofiles.wide import Meetings, Wide

MOST_LOOKED_AT = 64  # waiting parts that one choice considers


class Turn(NamedTuple):
    """What a lane runs in one pass, how, the expected seconds, and on how many lanes' CPUs."""

    parts: list[Part]
    run: Run
    cost_s: float
    cpus: int = 1


class PassLimits(NamedTuple):
    """What a pass of several may hold: estimated tokens with padding, texts, expected seconds."""

    most_tokens: float
    most_texts: int
    most_s: float


class Chooser:
    """Chooses among the parts in line. Its callers hold a lock.

    Without `limits` each part runs alone.
    """

    def __init__(
        self,
        line: Line,
        passes: Passes,
        costs: Costs,
        run: Run,
        limits: PassLimits | None,
        wide: Wide | None,
    ) -> None:
        self._line = line
        self._passes = passes
        self._costs = costs
        self._run = run
        self._limits = limits
        self._wide = wide
        self._meetings = Meetings()

    def arrived(self, parts: Sequence[Part], now_s: float) -> None:
        """A request is about to join the line: how often do requests meet?"""
        if self._wide:
            room = self._spare() - self._wide.lanes if len(parts) == 1 else -1
            lasts_s = self._wide.costs.of(*parts[0].size) * self._passes.slowdown
            self._meetings.arrived(now_s, room, lasts_s)

    def drop(self) -> list[Part]:
        """Take out the requests at the head that can no longer be answered in time."""
        now_s, late = perf_counter(), []
        while self._line.parts:
            part = self._line.parts[0]
            if now_s + part.cost_s * self._passes.slowdown <= part.job.deadline_s:
                break
            self._line.forget(part.job)
            late.append(part)
        return late

    def candidates(self) -> list[Part]:
        """Those of which the next pass may be chosen; none where there is no choice."""
        if self._limits is None or len(self._line.parts) <= self._passes.idle:
            return []
        return self._looked_at(self._limits, perf_counter())

    def turn(self) -> Turn:
        """What to run next, taken out of the line; no parts if none wait."""
        parts = self._next()
        for part in parts:
            self._line.remove(part)
        wide = self._wide
        # One at a time: all lanes have the same helping threads, and those are on its CPUs.
        if wide and len(parts) == 1 and self._spare() >= wide.lanes and not self._passes.wide:
            size = parts[0].size
            if wide.pays(size, parts[0].cost_s, self._meetings.share):
                return Turn(parts, wide.run, wide.costs.of(*size), wide.lanes)
        return Turn(parts, self._run, sum(part.cost_s for part in parts))

    def _spare(self) -> int:
        """Lanes' CPUs that are idle and stay it when all that waits has one."""
        return self._passes.idle_cpus - len(self._line.parts)

    def _next(self) -> list[Part]:
        waiting = len(self._line.parts)
        if self._limits is None or waiting < 2:
            return self._line.parts[:1]
        now_s = perf_counter()
        looked_at = self._looked_at(self._limits, now_s)
        chosen = pack(
            [part.size for part in looked_at],
            self._costs,
            self._limits.most_tokens,
            self._limits.most_texts,
            lanes=self._passes.lanes,
            beyond=waiting - len(looked_at),
        )
        # What other lanes could do at the same time is better not run one after the other.
        chosen = chosen[: -(-waiting // self._passes.idle)]
        left_s = min(self._limits.most_s, looked_at[0].job.deadline_s - now_s)
        chosen = chosen[: self._in_time([looked_at[index] for index in chosen], left_s)]
        return [looked_at[index] for index in sorted(chosen)]

    def _looked_at(self, limits: PassLimits, now_s: float) -> list[Part]:
        """The head, and those that may run with it: where it is short of time, its likes only.

        Younger ones would go before others that have no time left, unlike the head in length.
        """
        looked_at = self._line.parts[:MOST_LOOKED_AT]
        short_s = now_s + 2 * limits.most_s
        if looked_at[0].job.deadline_s > short_s:
            return looked_at
        return [part for part in looked_at if part.job.deadline_s <= short_s]

    def _in_time(self, parts: Sequence[Part], left_s: float) -> int:
        """How many of them, the head first, one pass can hold within `left_s`."""
        ends_s = accumulate(part.cost_s * self._passes.slowdown for part in parts)
        return max(1, sum(end_s <= left_s for end_s in ends_s))
