"""What the user sees while an ablation runs: a bar with the time left, or plain lines."""

import time
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from analysis.gates import Gate
from analysis.records import Records


class Progress:
    """Counts runs. On a terminal a bar below the lines, else the lines alone."""

    def __init__(self, console: Console, total: int, estimated_s: float) -> None:
        self.console = console
        self.total = total
        self.done = 0
        self.estimated_run_s = estimated_s / max(total, 1)
        self.began_s = time.monotonic()
        self.began_at = 0
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("runs, left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            # The estimate of a bar looks back; a whole block is what repeats.
            speed_estimate_period=600,
        )
        self.task: TaskID = self.bar.add_task("measuring", total=total)

    def __enter__(self) -> "Progress":
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    def start(self, finished: int) -> None:
        """So many runs were finished before."""
        self.done = self.began_at = finished
        self.began_s = time.monotonic()
        self.bar.update(self.task, completed=finished)
        if finished:
            self._say(f"{finished} of {self.total} runs are finished already")

    def expect(self, total: int) -> None:
        """So many runs it will be in all, as far as is known now."""
        self.total = total
        self.bar.update(self.task, total=total)

    def finished(self, name: str, records: Records, told: str = "") -> None:
        """A run is finished; `told` is what else there is to say of it."""
        self.done += 1
        self.bar.update(self.task, completed=self.done)
        latency_s = records.latency_s[np.isfinite(records.latency_s)]
        shown = f"p95 {np.quantile(latency_s, 0.95) * 1000:.1f} ms" if len(latency_s) else "-"
        left = "" if self.console.is_terminal else f", {self._minutes_left()} min left"
        shown = f"{told}, {shown}" if told else shown
        self._say(f"{name}: {shown} [{self.done}/{self.total}{left}]")

    def failed(
        self,
        name: str,
        gates: Sequence[Gate],
        undone: int,
        given_up: int,
        what: str = "not driven as planned",
    ) -> None:
        """A run failed its gates: `undone` finished runs no longer count.

        `given_up` runs will not be tried again; `what` sums the gates up.
        """
        why = "; ".join(map(_reason, gates))
        then = "given up" if given_up else "the block is repeated"
        self._say(f"{name}: {what} ({why}); {then}")
        self.done -= undone
        self.total -= given_up
        self.bar.update(self.task, completed=self.done, total=self.total)

    def enough(self, block: int) -> None:
        """No more runs are needed: the intervals are narrow enough after `block`."""
        self.total = self.done
        self.bar.update(self.task, completed=self.done, total=self.total)
        self._say(f"the intervals are narrow enough after block {block}")

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)

    def _minutes_left(self) -> int:
        measured = self.done - self.began_at
        each_s = (time.monotonic() - self.began_s) / measured if measured else self.estimated_run_s
        return round(each_s * (self.total - self.done) / 60)


def _reason(gate: Gate) -> str:
    """A gate's figure against its limit."""
    value = "unknown" if gate.value is None else f"{gate.value:.3g} {gate.unit}"
    return f"{gate.name} {value}, limit {gate.limit:.3g}"
