"""How much a server answers at most: what the rates of a plan are derived from."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from builder.build import Build
from builder.closed_loop import throughput, warm_up
from builder.experiment import WARM_UP_CONNECTIONS, WARM_UP_S

PROBE_CONNECTIONS = 8
PROBE_S = 6.0


def capacity_rps(
    serve: Callable[[Build, Path], Any], build: Build, log: Path, texts: Sequence[str]
) -> float:
    """Answers a second of a warm server of `build` in a closed loop."""
    with serve(build, log) as target:
        warm_up(target.url, texts, WARM_UP_CONNECTIONS, WARM_UP_S, least=16)
        return throughput(target.url, texts, PROBE_CONNECTIONS, PROBE_S)
