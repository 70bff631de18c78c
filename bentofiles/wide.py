"""One request on the CPUs of several lanes, where those have nothing else to do.

It is answered sooner that way, and takes more CPU time in all. So what it gains if it meets nobody
stands against what it takes from the next request, as often as there is one before it is done.
"""

from dataclasses import dataclass

from bentofiles.packing import Costs, Run, Size

GAIN = 0.9  # a wide pass takes at most so much of a narrow one's time, or is not worth it
SMOOTHING = 0.05  # weight of a new request in how often requests meet


@dataclass(frozen=True)
class Wide:
    """Another way to run the model, on the CPUs of `lanes` lanes, and what that costs."""

    run: Run
    lanes: int
    costs: Costs

    def pays(self, size: Size, narrow_s: float, met: float) -> bool:
        """Whether to run a request so that takes `narrow_s` on one lane.

        A share `met` of its like meet the next one.
        """
        wide_s = self.costs.of(*size)
        gained_s, taken_s = narrow_s - wide_s, self.lanes * wide_s - narrow_s
        return wide_s < GAIN * narrow_s and gained_s * (1 - met) > taken_s * met


class Meetings:
    """How many of the requests that find room for a wide pass would be met by others in it.

    Whether or not they take one: otherwise the choice would feed on itself. Under bursts most are
    met, however low the load: who finds the lanes idle is the first of many.
    """

    def __init__(self) -> None:
        self.share = 0.0
        self._watched: _Watched | None = None

    def arrived(self, now_s: float, left: int, lasts_s: float) -> None:
        """A request came. A wide pass for it would last so long and leave `left` CPUs idle.

        That is negative if there is no room for one.
        """
        if (one := self._watched) is not None:
            over = now_s >= one.end_s or left >= one.left
            one.others += 1
            if over or one.others > one.left:
                self.share += SMOOTHING * ((not over) - self.share)
                self._watched = None
        if self._watched is None and left >= 0:
            self._watched = _Watched(now_s + lasts_s, left)


@dataclass
class _Watched:
    """A request that found room: until when, for how many others beside it, who came since."""

    end_s: float
    left: int
    others: int = 0
