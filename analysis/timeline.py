"""Offered and completed load and the requests in flight, over the time of one run."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.facts import RunFacts
from analysis.latency import is_ok
from analysis.records import Records

BINS = 40
MOST_BINS = 100 * BINS  # what ended later than 100 schedules counts, but is not drawn

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Timeline:
    """Edges (m+1,) in seconds; all else (m,), one value a bin."""

    spec: str
    edges_s: Floats
    offered_rps: Floats
    completed_rps: Floats  # ok answers, by the time they were done
    in_flight: Floats  # time average of the bin
    lateness_s: Floats  # the latest send of what was planned in the bin; NaN where nothing was sent
    lateness_limit_s: float | None  # what the run's gate allows at the 99th percentile


def timeline(facts: RunFacts, records: Records) -> Timeline:
    """The timeline of one run, BINS bins over the schedule and as many more as the last answer.

    A request that never ended counts as in flight until its timeout.
    """
    duration_s = facts.duration_s
    width_s = duration_s / BINS
    sent = np.isfinite(records.sent_s)
    ends_s = records.done_s.copy()
    ends_s = np.where(np.isfinite(ends_s), ends_s, records.sent_s + facts.timeout_s)[sent]
    last_s = max(duration_s, float(ends_s.max(initial=0.0)))
    bins = min(np.ceil(last_s / width_s - 1e-9), MOST_BINS)
    edges_s: Floats = width_s * np.arange(bins + 1, dtype=np.float64)
    offered, _ = np.histogram(records.planned_s, edges_s)
    completed, _ = np.histogram(records.done_s[is_ok(records)], edges_s)
    waited_s = _time_since(records.sent_s[sent], edges_s) - _time_since(ends_s, edges_s)
    return Timeline(
        spec=facts.spec,
        edges_s=edges_s,
        offered_rps=offered / width_s,
        completed_rps=completed / width_s,
        in_flight=np.diff(waited_s) / width_s,
        lateness_s=_latest(records, edges_s),
        lateness_limit_s=next((g.limit for g in facts.gates if g.name == "lateness p99"), None),
    )


def _latest(records: Records, edges_s: Floats) -> Floats:
    """The largest lateness per bin of the planned time, shape (m,)."""
    sent = np.isfinite(records.sent_s)
    at = np.searchsorted(edges_s, records.planned_s[sent], side="right") - 1
    latest: Floats = np.full(len(edges_s) - 1, np.nan)
    np.fmax.at(latest, np.clip(at, 0, len(latest) - 1), records.lateness_s[sent])
    return latest


def _time_since(events_s: Floats, at_s: Floats) -> Floats:
    """Sum over events (k,) of max(t - event, 0) for each t of `at_s` (m,): shape (m,).

    The integral of the count of events so far; the difference of starts' and ends' is the
    time spent in flight.
    """
    ordered = np.sort(events_s)
    count = np.searchsorted(ordered, at_s, side="right")
    total: Floats = at_s * count - np.concatenate([[0.0], np.cumsum(ordered)])[count]
    return total
