"""What the service asks of a runtime."""

import os
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bentofiles.settings import Settings, VariantFile


class Predictor(Protocol):
    """A loaded model."""

    def probabilities(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Class probabilities, shape (len(texts), labels), rows in the order of the texts."""
        ...


def load_predictor(variant: VariantFile) -> Predictor:
    """Load the model with the variant's runtime and thread settings."""
    threads = resolve_threads(variant.settings)
    if threads is not None:
        # Read once, by the first import of the library: hence before the imports below.
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
            os.environ[name] = str(threads)
    # ONNX Runtime would write a database to the home folder and report usage from a thread.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # Imported here, because a Bento holds the libraries of its own runtime only.
    if variant.settings.runtime == "onnx":
        from bentofiles.onnx_predictor import OnnxPredictor

        return OnnxPredictor(variant, threads)
    from bentofiles.torch_predictor import TorchPredictor

    return TorchPredictor(variant, threads)


def resolve_threads(settings: Settings) -> int | None:
    """Intra-op threads of this worker; None leaves the choice to the library.

    `BENTO_THREADS` is what a container's CPU limit has room for, said by whoever set the limit;
    it counts where the variant does not give a number.
    """
    if settings.threads is None and settings.lanes == "auto":
        return 1  # the lanes are the parallelism
    limit = os.environ.get("BENTO_THREADS", "")
    if limit.isdigit() and not isinstance(settings.threads, int):
        return max(1, int(limit))
    if settings.threads == "auto":
        return max(1, cpus() // settings.workers)
    return None if settings.threads is None else int(settings.threads)


def resolve_lanes(settings: Settings) -> int:
    """Threads of this worker that run the model at the same time."""
    if settings.lanes == "auto":
        return max(1, cpus() // (settings.workers * (resolve_threads(settings) or 1)))
    return int(settings.lanes or 1)


def cpus() -> int:
    """CPUs that this process may use at the same time, rounded down, at least one.

    The affinity mask bounds them, and so does the quota of its cgroup (v2 `cpu.max`, v1
    `cpu.cfs_quota_us`): a container with a limit of one CPU still sees all of the host's.
    """
    allowed = float(len(os.sched_getaffinity(0)))
    for quota in map(_quota, _QUOTAS):
        allowed = min(allowed, quota or allowed)
    return max(1, int(allowed))


# Quota and period, as the process sees its own cgroup.
_QUOTAS = (
    ("/sys/fs/cgroup/cpu.max",),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)


def _quota(files: tuple[str, ...]) -> float | None:
    """CPUs that the quota in these files allows; None if there is none."""
    try:
        quota, period = " ".join(Path(file).read_text() for file in files).split()
        return float(quota) / float(period) if float(quota) > 0 else None
    except (OSError, ValueError):  # not this version of cgroups, or "max"
        return None
