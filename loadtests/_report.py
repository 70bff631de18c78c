"""What Locust's own statistics learn of each request."""

from typing import Any

from locust.exception import CatchResponseError

from analysis.records import OK, OUTCOMES
from loadtests._run import Report


def to_locust(environment: Any, host: str) -> Report:
    """Put each request into Locust's statistics, timed from the planned send."""
    errors: dict[tuple[int, int], CatchResponseError] = {}
    fire = environment.events.request.fire

    def report(outcome: int, status: int, latency_s: float, length: int) -> None:
        error = None
        if outcome != OK:
            key = outcome, status
            if key not in errors:
                errors[key] = CatchResponseError(f"{OUTCOMES[outcome]} (HTTP {status or 'none'})")
            error = errors[key]
        fire(
            request_type="POST",
            name="/predict",
            response_time=latency_s * 1e3,
            response_length=length,
            exception=error,
            context={},
            url=f"{host}/predict",
        )

    return report
