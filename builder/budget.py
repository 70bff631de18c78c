"""The threads that a variant runs the model with, against the CPUs that they have."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bentofiles.predictor import cpus, resolve_lanes, resolve_threads, resolve_wide
from bentofiles.settings import Settings
from deploy.threads import at_once, environment
from variants._layer import Variant
from variants._spec import bento_variant


@dataclass(frozen=True)
class Budget:
    """Workers, lanes in each, and intra-op threads of each lane.

    `intra_op` is None where the variant leaves it to the library, which takes every core it sees.
    `alone` are those that a request may have that finds enough lanes idle. `shared`: a lane runs
    on its own thread, and beside it on the others of one pool for all lanes.
    """

    workers: int
    lanes: int
    intra_op: int | None
    alone: int | None
    shared: bool
    spinning: bool  # a thread without work keeps its core for a while
    cpus: float
    limit: str  # whose those CPUs are
    cores: int

    @property
    def total(self) -> int:
        """Threads that can run at the same time."""
        return self.workers * at_once(self.lanes, self.intra_op or self.cores, self.shared)

    def lines(self) -> list[str]:
        """The threads and what they come of, and a warning if they are more than there is."""
        intra_op = f"{self.intra_op} intra-op"
        if self.intra_op is None:
            intra_op = f"{self.cores} intra-op, the library's own choice"
        notes = []
        if self.intra_op and self.shared and self.intra_op > 1 and self.lanes > 1:
            notes.append(f"each lane's own and {self.intra_op - 1} that the lanes share")
        if self.alone != self.intra_op:
            notes.append(f"up to {self.alone} for a request that finds the others idle")
        if notes:
            intra_op += f" ({'; '.join(notes)})"
        spinning = "spinning" if self.spinning else "not spinning"
        lines = [
            f"  threads   {_count(self.workers, 'worker')} x {_count(self.lanes, 'lane')} x "
            f"{intra_op}, {spinning}: {self.total} on {self.cpus:g} CPUs of {self.limit}"
        ]
        if self.total > max(1, self.cpus):  # less than one thread there is not
            fewer = "workers or threads=N, or `threads` without a number"
            if self.lanes > 1:
                fewer = "lanes, workers or threads=N, or leave `lanes` out"
            lines.append(
                f"  warning   {self.total} threads take turns on {self.cpus:g} CPUs: give fewer "
                f"{fewer}, which divides the CPUs"
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        """The fields, and the threads in all."""
        return {**asdict(self), "total": self.total}


def budget(variant: Variant, surroundings: Mapping[str, str] = os.environ) -> Budget:
    """What a variant's threads come to on this machine, or within its own CPU limit."""
    settings = Settings(**bento_variant(variant).settings())  # type: ignore[arg-type]  # JSON
    here = cpus()
    available, limit = here, "this machine"
    if variant.cpu_limit is not None:
        available, limit = max(1, int(variant.cpu_limit)), "its limit"
        surroundings = environment(variant)
    intra_op = resolve_threads(settings, available, surroundings)
    wide = resolve_wide(settings, available, surroundings) if settings.runtime == "onnx" else 1
    return Budget(
        workers=settings.workers,
        lanes=resolve_lanes(settings, available, surroundings),
        intra_op=intra_op,
        alone=intra_op and intra_op * wide,
        shared=settings.runtime == "onnx",
        spinning=intra_op is None and settings.runtime == "onnx",
        cpus=variant.cpu_limit or here,
        limit=limit,
        cores=os.cpu_count() or here,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
