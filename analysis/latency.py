"""The latency of every planned request, failures included.

A failure is slow, never missing: a variant that answers half of the requests and drops the rest
must not look fast. Latency counts from the planned send time (no coordinated omission).
"""

import numpy as np
import numpy.typing as npt

from analysis.records import OK, Records


def is_ok(records: Records) -> npt.NDArray[np.bool_]:
    """Which requests got a right answer, shape (n,)."""
    ok: npt.NDArray[np.bool_] = (records.outcome == OK) & np.isfinite(records.latency_s)
    return ok


def ranked_latency_s(records: Records, timeout_s: float) -> npt.NDArray[np.float64]:
    """Latency in seconds, shape (n,), with every failure ranked above every success.

    A success has done - planned. A failure (timeout, reset, rejected, unavailable, wrong,
    unsent) has the largest of: its own done - planned, `timeout_s`, the slowest success of the
    run. All values are finite, so quantiles, means and their logarithms always exist; a quantile
    that falls among failures reads "at least the timeout" (`among_failures`).
    """
    latency_s = records.latency_s
    ok = is_ok(records)
    floor_s = max(timeout_s, float(latency_s[ok].max(initial=0.0)))
    failed_s = np.fmax(latency_s, floor_s)  # fmax: a request that never ended is NaN
    return np.where(ok, latency_s, failed_s)


def among_failures(n: int, ok: int, q: float) -> bool:
    """Whether quantile `q` of `n` latencies, `ok` of them successes, takes part of a failure's.

    It lies at (n - 1) q of the sorted values, counted from 0, of which the last n - ok are failures
    (Hyndman & Fan 1996, type 7). Its value is then a lower bound and no measurement.
    """
    return (n - 1) * q > ok - 1 + 1e-9
