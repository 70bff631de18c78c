"""The small interval beside each effect of the first screen, all on one scale.

Plain SVG in percent of its width: it fits any column, and a phone as well as paper.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.compare import Comparison

HEIGHT_PX = 16
LEAST = math.log(1.5)  # the scale shows at least this much, or noise would look like an effect


@dataclass(frozen=True)
class Scale:
    """Logs from `low` to `high` over the width."""

    low: float
    high: float

    def percent(self, gain: float) -> float:
        """Where a gain stands, 0 to 100; what lies beyond an end stands at the end."""
        share = (gain - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 1)


def scale_of(comparisons: Iterable[Comparison]) -> Scale:
    """One scale that holds every estimate, no difference, and the intervals as far as sensible."""
    ends = [0.0, LEAST / 2, -LEAST / 2]
    for one in comparisons:
        if one.gain is None or one.bound == "unknown":
            continue
        ends.append(one.gain)
        if one.interval is not None:
            # A bound far outside would press all others together: it is cut off.
            widest = max(abs(one.gain) * 2, LEAST)
            ends += [max(one.interval.low, one.gain - widest)]
            ends += [min(one.interval.high, one.gain + widest)]
    low, high = min(ends), max(ends)
    room = 0.04 * (high - low)
    return Scale(low - room, high + room)


def forest(one: Comparison, scale: Scale) -> str:
    """The line of no difference, the margin around it, the interval, the estimate."""
    middle = HEIGHT_PX / 2
    bound = math.log1p(one.margin)
    left, right = scale.percent(-bound), scale.percent(bound)
    zero = scale.percent(0.0)
    parts = [
        f'<rect x="{left}%" width="{max(right - left, 0.4):.1f}%" y="0" height="{HEIGHT_PX}" '
        'fill="var(--fig-fill)"/>',
        f'<line x1="{zero}%" x2="{zero}%" y1="0" y2="{HEIGHT_PX}" stroke="var(--fig-muted)"/>',
    ]
    if one.gain is not None and one.bound != "unknown":
        if one.interval is not None:
            low, high = scale.percent(one.interval.low), scale.percent(one.interval.high)
            parts.append(
                f'<line x1="{low}%" x2="{high}%" y1="{middle}" y2="{middle}" '
                'stroke="currentColor" stroke-width="2.5" stroke-linecap="round"/>'
            )
        hollow = one.verdict == "inconclusive"
        fill = "var(--fig-surface)" if hollow else "currentColor"
        parts.append(
            f'<circle cx="{scale.percent(one.gain)}%" cy="{middle}" r="4.2" fill="{fill}" '
            'stroke="currentColor" stroke-width="2"/>'
        )
    inside = "".join(parts)
    return f'<svg class="forest" aria-hidden="true" height="{HEIGHT_PX}">{inside}</svg>'
