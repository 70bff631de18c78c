"""What one fault did to the users of one run: the ledger of requests joined with the timeline.

Times are seconds from the schedule's origin. F is the fault's beginning, E its end (undone), D
the schedule's length. A request is **good** if it was answered rightly within the SLO's limit,
counted from its planned time. It is **at stake** if it had not ended at F: planned later, or in
flight. Everything before F is the steady state that the rest is compared with.
"""

import math
from dataclasses import dataclass

import numpy as np

from analysis.disruption_ledger import PHASES, Bools, Names, Phase, join, phases_of
from analysis.fault_timeline import FaultTimeline
from analysis.latency import is_ok
from analysis.records import OUTCOMES, UNSENT, Records
from analysis.summary import QUANTILES

WINDOW_S = 2.0  # the least length of the sliding window
# Planned requests that a window holds on average, at least: two of them may be bad at p95. With
# fewer, two slow requests of an undisturbed system would count as "not recovered yet".
WINDOW_REQUESTS = 40


@dataclass(frozen=True)
class Span:
    """A duration; not `reached`: the run ended first, and the true one is longer (censored)."""

    value_s: float
    reached: bool = True


@dataclass(frozen=True)
class Impact:
    """What one fault did in one run; see `measure` for each definition."""

    injected_s: float
    ended_s: float | None
    at_stake: int
    ok: int
    during: int
    ok_during: int
    lost: int
    lost_in_flight: int
    replicas_known: bool  # whether it is known which replica had a request
    outcomes: tuple[tuple[str, int], ...]  # of the lost, every name but `ok`
    in_flight: int
    detect_s: float | None
    ready: Span | None
    back: Span
    window_s: float
    steady_median_s: float
    excess_latency_s: float
    missing_goodput: float
    phases: tuple[tuple[Phase, int], ...]

    @property
    def availability(self) -> float:
        """Share of the requests at stake that were answered rightly."""
        return self.ok / self.at_stake if self.at_stake else 1.0

    @property
    def availability_during(self) -> float | None:
        """The same of those planned while the fault lasted, or in flight when it came."""
        return self.ok_during / self.during if self.during else None

    @property
    def lost_others(self) -> int:
        """Lost requests that were not in flight on a replica that was killed."""
        return self.lost - self.lost_in_flight


def measure(
    records: Records,
    timeline: FaultTimeline,
    quantile: str,
    limit_s: float,
    duration_s: float,
    replica: Names | None = None,
) -> Impact:
    """The impact of the fault of `timeline` on `records`, against `quantile` < `limit_s`.

    `replica` says which replica had each request, if that is known.

    - availability: ok / at stake. During the fault: of those at stake and planned before E.
    - lost: at stake and not ok, whatever the outcome (reset, timeout, rejected with 429,
      unavailable with 503, wrong such as 502), each counted by outcome.
    - lost in flight: lost, and under way on a replica when that was killed, or on any replica
      if it is not known which had it (`Ledger.in_flight`). The others were lost although no
      process that had them died.
    - time to detect: the first moment after F at which a bad request shows: done - F of one that
      failed, max(planned + limit, F) - F of one that took too long. None if there is none.
    - time to ready: from F until as many replicas as wanted are ready, and stay so; None if there
      were never fewer; censored if that was not seen.
    - back within the SLO: `back_within`.
    - excess latency (request-seconds): the sum over ok requests at stake of max(0, L - m), less
      what as many requests of the steady state have; m is the steady state's median latency. At
      least 0.
    - missing goodput (requests): g n - (good at stake), with g the share of good requests in the
      steady state and n the number at stake. At least 0.
    - phases: before is planned before F; during until E; recovery until back within the SLO; after.
    """
    fault_s, ended_s = timeline.injected_s, timeline.ended_s
    until_s = math.inf if ended_s is None else ended_s
    ok, good = is_ok(records), is_good(records, limit_s)
    ledger = join(records, timeline, replica)
    stake, lost = ledger.at_stake, ledger.lost
    steady = (records.done_s < fault_s) & ok
    during = stake & (records.planned_s < until_s)
    window_s = window_length_s(len(records), duration_s)
    back = back_within(records, fault_s, quantile, limit_s, duration_s, window_s)
    median_s = float(np.median(records.latency_s[steady])) if steady.any() else math.nan
    phases = phases_of(records.planned_s, fault_s, until_s, fault_s + back.value_s)
    return Impact(
        injected_s=fault_s,
        ended_s=ended_s,
        at_stake=int(stake.sum()),
        ok=int((stake & ok).sum()),
        during=int(during.sum()),
        ok_during=int((during & ok).sum()),
        lost=int(lost.sum()),
        lost_in_flight=int((lost & ledger.in_flight).sum()),
        replicas_known=replica is not None,
        outcomes=_outcomes(records, lost),
        in_flight=int((stake & (records.sent_s <= fault_s)).sum()),
        detect_s=_detect_s(records, stake, good, ok, fault_s, limit_s),
        ready=time_to_ready(timeline, max(duration_s, float(np.nanmax(records.done_s, initial=0)))),
        back=back,
        window_s=window_s,
        steady_median_s=median_s,
        excess_latency_s=_excess_latency_s(records, stake & ok, steady, median_s),
        missing_goodput=_missing_goodput(good, stake, records.planned_s < fault_s),
        phases=tuple((name, int((phases == at).sum())) for at, name in enumerate(PHASES)),
    )


def is_good(records: Records, limit_s: float) -> Bools:
    """Which requests were answered rightly within the limit, shape (n,)."""
    good: Bools = is_ok(records) & (records.latency_s <= limit_s)
    return good


def window_length_s(requests: int, duration_s: float) -> float:
    """WINDOW_S, or as long as WINDOW_REQUESTS take on average, if that is longer."""
    return max(WINDOW_S, WINDOW_REQUESTS * duration_s / max(requests, 1))


def back_within(
    records: Records,
    fault_s: float,
    quantile: str,
    limit_s: float,
    duration_s: float,
    window_s: float,
) -> Span:
    """From F to the first instant after which every window meets the SLO, for good.

    A window [s, s + w) begins at a planned request s >= F and ends within the schedule. It meets
    the SLO `p95 < limit` if at most 5% of the requests planned in it are bad, rounded down, and
    so on for other quantiles. The instant is the planned time of the first request after the last
    window that fails; 0 if none fails; censored at D - w - F if the last window fails.
    """
    planned_s = records.planned_s
    bad = np.concatenate([[0], np.cumsum(~is_good(records, limit_s))])
    starts = np.flatnonzero((planned_s >= fault_s) & (planned_s + window_s <= duration_s))
    if not len(starts):
        return Span(0.0, reached=False)
    ends = np.searchsorted(planned_s, planned_s[starts] + window_s, side="left")
    allowed = np.floor((1 - QUANTILES[quantile]) * (ends - starts) + 1e-9)
    failing = starts[bad[ends] - bad[starts] > allowed]
    if not len(failing):
        return Span(0.0)
    if failing[-1] == starts[-1]:
        return Span(duration_s - window_s - fault_s, reached=False)
    return Span(float(planned_s[failing[-1] + 1]) - fault_s)


def time_to_ready(timeline: FaultTimeline, end_s: float) -> Span | None:
    """From F until as many replicas as wanted are ready for good; None if never fewer were."""
    fault_s = timeline.injected_s
    counts = timeline.ready_counts()
    fewer = [at for at, (_, n) in enumerate(counts) if n < timeline.wanted]
    last = max((at for at in fewer if _until_s(counts, at) > fault_s), default=None)
    if last is None:
        return None
    back_s = _until_s(counts, last)
    if math.isinf(back_s):
        return Span(end_s - fault_s, reached=False)
    return Span(back_s - fault_s)


def _until_s(counts: tuple[tuple[float, int], ...], at: int) -> float:
    return counts[at + 1][0] if at + 1 < len(counts) else math.inf


def _outcomes(records: Records, lost: Bools) -> tuple[tuple[str, int], ...]:
    counts = np.bincount(records.outcome[lost], minlength=len(OUTCOMES))
    return tuple((name, int(n)) for name, n in zip(OUTCOMES, counts, strict=True) if name != "ok")


def _detect_s(
    records: Records, stake: Bools, good: Bools, ok: Bools, fault_s: float, limit_s: float
) -> float | None:
    failed = stake & ~ok & (records.outcome != UNSENT) & np.isfinite(records.done_s)
    slow = stake & ok & ~good
    shown_s = np.concatenate(
        [records.done_s[failed], np.maximum(records.planned_s[slow] + limit_s, fault_s)]
    )
    return float(shown_s.min()) - fault_s if len(shown_s) else None


def _excess_latency_s(
    records: Records, ok_at_stake: Bools, steady: Bools, median_s: float
) -> float:
    if not steady.any():
        return math.nan
    usual_s = float(np.maximum(records.latency_s[steady] - median_s, 0).mean())
    above_s = float(np.maximum(records.latency_s[ok_at_stake] - median_s, 0).sum())
    return max(0.0, above_s - usual_s * int(ok_at_stake.sum()))


def _missing_goodput(good: Bools, stake: Bools, before: Bools) -> float:
    steady = before & ~stake
    share = float(good[steady].mean()) if steady.any() else 1.0
    return max(0.0, share * int(stake.sum()) - int((good & stake).sum()))
