"""What both stages of the training share: the optimiser with its schedule, and progress."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from builder._train_settings import Settings


def rate_factor(step: int, total_steps: int, warmup: float) -> float:
    """Share of the peak learning rate at `step`: linear up, then linear down to 0 at the end."""
    rising = max(1, round(total_steps * warmup))
    if step < rising:
        return (step + 1) / rising
    return max(0.0, (total_steps - step) / max(1, total_steps - rising))


class Stepper:
    """AdamW under a warm-up and linear decay over a known number of steps."""

    def __init__(
        self,
        model: nn.Module,
        settings: Settings,
        *,
        peak_rate: float,
        warmup: float,
        total_steps: int,
    ) -> None:
        threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        decayed = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim <= 1]  # biases and layer norms
        self._parameters = decayed + others
        self._clip_norm = settings.clip_norm
        self._optimiser = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=peak_rate,
            betas=(0.9, 0.98),
            fused=True,
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimiser, lambda step: rate_factor(step, total_steps, warmup)
        )

    def step(self, parts: Sequence[Callable[[], Tensor]]) -> float:
        """Descends along the gradient of the parts' mean loss; returns that loss.

        Each part runs on a thread of its own: autograd adds up gradients of concurrent backward
        passes, and threads that meet once a step lose less on a busy machine than threads that
        meet in every operator.
        """

        def backward(part: Callable[[], Tensor]) -> float:
            loss = part() / len(parts)
            loss.backward()
            return float(loss)

        mean = sum(self._pool.map(backward, parts))
        nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)
        self._optimiser.step()
        self._schedule.step()
        self._optimiser.zero_grad()
        return mean


def shares(rows: int) -> list[slice]:
    """`rows` rows in as many slices as there are threads."""
    edges = np.linspace(0, rows, min(rows, torch.get_num_threads()) + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


@dataclass
class Meter:
    """Progress of one stage: a bar on a terminal, else a plain line every `every_s` seconds."""

    name: str
    total_steps: int
    console: Console
    bar: Progress
    every_s: float = 30.0
    steps: int = 0
    tokens: int = 0
    loss: float = float("nan")
    _started_s: float = field(default_factory=time.monotonic)
    _printed_s: float = field(default_factory=time.monotonic)

    def update(self, loss: float, tokens: int) -> None:
        """Counts one step over `tokens` tokens."""
        self.steps += 1
        self.tokens += tokens
        self.loss = loss if self.steps == 1 else 0.98 * self.loss + 0.02 * loss
        if self.console.is_terminal:
            self.bar.update(self.bar.task_ids[0], completed=self.steps, note=self._note())
        elif time.monotonic() - self._printed_s > self.every_s:
            self._printed_s = time.monotonic()
            self.console.print(f"{self.name}: step {self.steps}/{self.total_steps}, {self._note()}")

    def _note(self) -> str:
        rate = self.tokens / (time.monotonic() - self._started_s)
        return f"loss {self.loss:.3f}, {rate:,.0f} tokens/s"


@contextmanager
def meter(name: str, total_steps: int, console: Console) -> Iterator[Meter]:
    """A Meter that shows while the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        bar.add_task(name, total=total_steps, note="")
        yield Meter(name, total_steps, console, bar)
