"""One worker's part of a schedule."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadtests._schedule import Schedule


@dataclass(frozen=True)
class Share:
    """Worker `number` of `of` takes arrivals number, number + of, number + 2 of, ..."""

    number: int = 0
    of: int = 1

    def part(self, schedule: Schedule) -> Schedule:
        """The worker's own rows of the whole schedule; the whole itself may then go."""
        mine = slice(self.number, None, self.of)
        return Schedule(schedule.planned_s[mine].copy(), schedule.payload[mine].copy())

    def index(self, row: int) -> int:
        """Where a row of the part stands in the whole schedule."""
        return self.number + self.of * row

    def indices(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """The same for many rows, shape (n,)."""
        return (self.number + self.of * rows).astype(np.int32)
