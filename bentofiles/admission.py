"""Who is let in: what could not be answered before its deadline is refused at once."""

import re
from collections.abc import Sequence

from bentofiles.line import Line, Part
from bentofiles.passes import Passes

_TAKES = "this takes about {:.2g} s, and {:g} s is the limit: send fewer texts at a time"
_TOOK = re.compile(r"this takes (about \S+ s)")


class Refused(Exception):
    """There is no time left to answer this request before its deadline; says what to do."""

    def __init__(
        self, reason: str = "no time left to answer this request: try again later"
    ) -> None:
        super().__init__(reason)


def expected(refusal: str) -> str | None:
    """How long the refused request would take, in words, if that is why it was refused."""
    found = _TOOK.search(refusal)
    return found and found[1]


class Admission:
    """Foresees when a request would be answered. Its callers hold a lock.

    Those who come later may run with one that waits, and before this one: `longest_pass_s` is how
    long a pass of several takes at most.
    """

    def __init__(
        self, line: Line, passes: Passes, deadline_s: float, longest_pass_s: float
    ) -> None:
        self._line = line
        self._passes = passes
        self._deadline_s = deadline_s
        self._longest_pass_s = longest_pass_s

    @property
    def at_rest(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self._line.parts and self._passes.idle == self._passes.lanes

    def require_time(self, parts: Sequence[Part], now_s: float) -> None:
        """Raise Refused if a request of these parts could not be answered in time."""
        done_s = self._done_in_s(parts, now_s)
        if self._line.parts:
            done_s += self._longest_pass_s
        if done_s > self._deadline_s:
            raise self._refusal(done_s)

    def _done_in_s(self, parts: Sequence[Part], now_s: float) -> float:
        """Seconds until a request of these parts would be answered."""
        largest_s = max(part.cost_s for part in parts)
        before_s = self._line.cost_s + sum(part.cost_s for part in parts) - largest_s
        return self._passes.done_in_s(now_s, before_s, largest_s)

    def _refusal(self, done_s: float) -> Refused:
        return Refused(_TAKES.format(done_s, self._deadline_s)) if self.at_rest else Refused()
