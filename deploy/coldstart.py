"""The time from a container's start to its first 200 of `/readyz`, by the engine's own clock."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from docker import DockerClient

from deploy.docker import Containers
from variants._layer import Variant

STARTS = 3


@dataclass(frozen=True)
class ColdStart:
    """Seconds to the first 200 of `/readyz`, found within POLL_S of deploy/local.py."""

    ready_s: float  # since the container's process was started
    created_s: float  # since the engine was told to: with the making of the container


def cold_starts(client: DockerClient, image: str, variant: Variant, log: Path) -> list[ColdStart]:
    """A few starts of one container. The engine shares this machine's clock."""
    found = []
    for _ in range(STARTS):
        with Containers(client, image, replace(variant, replicas=1), log) as one:
            ready_s = time.time()
            (container,) = one.containers
            found.append(cold_start(container.attrs, ready_s))
    return found


def cold_start(facts: Mapping[str, Any], ready_s: float) -> ColdStart:
    """From what the engine says of a container that was ready at a time of the wall clock."""
    return ColdStart(ready_s - _s(facts["State"]["StartedAt"]), ready_s - _s(facts["Created"]))


def _s(moment: str) -> float:
    """RFC 3339 as engines write it, to the nanosecond, in seconds since 1970."""
    return datetime.fromisoformat(moment).timestamp()
