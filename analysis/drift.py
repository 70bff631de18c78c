"""How far a probability moves in a batch, in words; without the statistics that `words` needs."""


def points(drift: float) -> str:
    """A drift as `--max-batch-drift` has it, in percentage points: 0.0057 as `0.57`."""
    return f"{round(100 * drift, 4):.3g}"
