"""The time from a container's start to its first 200 of `/readyz`."""

import time
from pathlib import Path

from docker import DockerClient

from deploy.docker import Containers
from variants._layer import Variant

STARTS = 3


def cold_starts(client: DockerClient, image: str, variant: Variant, log: Path) -> list[float]:
    """Seconds of a few starts of one container, the engine's own work included."""
    seconds = []
    for _ in range(STARTS):
        started_s = time.monotonic()
        with Containers(client, image, variant, log):
            seconds.append(time.monotonic() - started_s)
    return seconds
