"""What `/metrics` says of the lean path, in Prometheus's format, summed over the workers."""

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bentofiles.later import Together

if TYPE_CHECKING:
    from prometheus_client import Histogram

# An encoder on a CPU answers within milliseconds; the default buckets begin at 5 ms.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Of a refusal: no time before the deadline, too many requests waiting or arriving, too much text
# in memory, a pass that does not end.
CAUSES = ("deadline", "in_flight", "arriving", "memory", "stuck")
REQUESTS_IN_A_BATCH = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of one process; cheap enough for every request (about a microsecond).

    They are brought up to date many at a time: the library's counters, which other processes can
    read, take several microseconds each, and a request moves five.
    """

    def __init__(self) -> None:
        # Imported here: the library looks only once, when imported, whether other workers count
        # too, and BentoML says so after it has imported the service.
        from prometheus_client import Counter as Count
        from prometheus_client import Histogram

        self._requests = Count("optbuild_requests_total", "Answers of /predict", ["status"])
        for status in (200, 400, 500, 503):  # on the page from the start, as zeros
            self._requests.labels(str(status))
        self._rejected = Count(
            "optbuild_rejected_total",
            "Requests of /predict that got 503, by what was lacking",
            ["reason"],
        )
        for cause in CAUSES:
            self._rejected.labels(cause)
        self._latency = Histogram(
            "optbuild_latency_seconds", "From body to answer", buckets=SECONDS
        )
        self._queued = Histogram("optbuild_queue_seconds", "Waiting for a lane", buckets=SECONDS)
        self._batch = Histogram(
            "optbuild_batch_requests", "Requests that ran together", buckets=REQUESTS_IN_A_BATCH
        )
        self._answers = Together(self._count_answers)
        self._passes = Together(self._count_passes)

    def answered(self, status: int, took_s: float, cause: str = "") -> None:
        """Count an answer, and its latency if it is a good one; `cause` of a 503 is in CAUSES."""
        self._answers.add((status, took_s, cause))

    def ran(self, requests: int, queued_s: Sequence[float]) -> None:
        """Count a pass of so many requests, and the waits of those that it was the first of."""
        self._passes.add((requests, queued_s))

    def page(self) -> tuple[bytes, str]:
        """Body and content type of `/metrics`."""
        from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry
        from prometheus_client.exposition import generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        self._answers.flush()
        self._passes.flush()
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # ships half its types
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def _count_answers(self, answers: Sequence[tuple[int, float, str]]) -> None:
        for status, count in Counter(status for status, _, _ in answers).items():
            self._requests.labels(str(status)).inc(count)
        for cause, count in Counter(cause for _, _, cause in answers if cause).items():
            self._rejected.labels(cause).inc(count)
        _observe(self._latency, [took_s for status, took_s, _ in answers if status == 200])

    def _count_passes(self, passes: Sequence[tuple[int, Sequence[float]]]) -> None:
        _observe(self._batch, [requests for requests, _ in passes])
        _observe(self._queued, [wait_s for _, waits_s in passes for wait_s in waits_s])


def _observe(histogram: "Histogram", amounts: Sequence[float]) -> None:
    """What `Histogram.observe` does, of many amounts at a time, which the library has no word for.

    A bucket's own count is of what lies above the bound below it; summing up is left to the page.
    """
    histogram._sum.inc(sum(amounts))
    bounds = histogram._upper_bounds
    for bucket, count in Counter(bisect_left(bounds, amount) for amount in amounts).items():
        histogram._buckets[bucket].inc(count)
