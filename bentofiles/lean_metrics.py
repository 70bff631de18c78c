"""What `/metrics` says of the lean path, in Prometheus's format, summed over the workers."""

import os
from collections.abc import Sequence

# An encoder on a CPU answers within milliseconds; the default buckets begin at 5 ms.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
REQUESTS_IN_A_BATCH = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of one process; cheap enough for every request (a few microseconds)."""

    def __init__(self) -> None:
        # Imported here: the library looks only once, when imported, whether other workers count
        # too, and BentoML says so after it has imported the service.
        from prometheus_client import Counter, Histogram

        requests = Counter("optbuild_requests_total", "Answers of /predict", ["status"])
        self._requests = {code: requests.labels(str(code)) for code in (200, 400, 500, 503)}
        self._any = requests
        self.latency = Histogram("optbuild_latency_seconds", "From body to answer", buckets=SECONDS)
        self.queued = Histogram("optbuild_queue_seconds", "Waiting for a lane", buckets=SECONDS)
        self.batch = Histogram(
            "optbuild_batch_requests", "Requests that ran together", buckets=REQUESTS_IN_A_BATCH
        )

    def answered(self, status: int, took_s: float) -> None:
        """Count an answer, and its latency if it is a good one."""
        counter = self._requests.get(status) or self._any.labels(str(status))
        counter.inc()
        if status == 200:
            self.latency.observe(took_s)

    def ran(self, requests: int, queued_s: Sequence[float]) -> None:
        """Count a pass of so many requests, and the waits of those that it was the first of."""
        self.batch.observe(requests)
        for waited_s in queued_s:
            self.queued.observe(waited_s)

    def page(self) -> tuple[bytes, str]:
        """Body and content type of `/metrics`."""
        from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry
        from prometheus_client.exposition import generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # ships half its types
        return generate_latest(registry), CONTENT_TYPE_LATEST
