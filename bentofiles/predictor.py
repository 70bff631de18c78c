"""What the service asks of a runtime."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bentofiles.cgroup import allowed_cpus
from bentofiles.isa import bf16_warning, cpu_flags, warning
from bentofiles.settings import Settings, VariantFile

MOST_WIDE = 4  # threads


class Predictor(Protocol):
    """A loaded model."""

    def probabilities(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Class probabilities, shape (len(texts), labels), rows in the order of the texts."""
        ...

    @property
    def tokenize(self) -> Callable[[list[str]], Sequence[Sized]] | None:
        """Makes of each text what `classify` takes; None if that takes the texts themselves."""
        ...

    def classify(self, inputs: list[Any], /) -> npt.NDArray[np.float32]:
        """As `probabilities`, of tokenized texts."""
        ...

    def widened(self, times: int) -> "Predictor | None":
        """The same model on so many times the threads; None if the runtime cannot have both."""
        ...


def load_predictor(variant: VariantFile) -> Predictor:
    """Load the model with the variant's runtime and thread settings."""
    threads = resolve_threads(variant.settings)
    if threads is not None:
        # Read once, by the first import of the library: hence before the imports below.
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
            os.environ[name] = str(threads)
        if threads == 1:
            # Its pool of one thread would be the only one to tokenize batches, for all lanes.
            os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # ONNX Runtime would write a database to the home folder and report usage from a thread.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    said = warning(variant.isa, cpu_flags())
    if variant.settings.precision == "bf16":
        said = bf16_warning(cpu_flags())
    if said:
        logging.getLogger("bentoml.isa").warning(said)
    # Imported here, because a Bento holds the libraries of its own runtime only.
    if variant.settings.runtime == "onnx":
        from bentofiles.onnx_predictor import OnnxPredictor

        return OnnxPredictor(variant, threads)
    from bentofiles.torch_predictor import TorchPredictor

    return TorchPredictor(variant, threads)


def resolve_threads(
    settings: Settings,
    available: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> int | None:
    """Intra-op threads of this worker; None leaves the choice to the library.

    `available`: CPUs of all workers together, those of this process if left out. `BENTO_THREADS`
    is what a container's CPU limit has room for, said by whoever set the limit; it counts where
    the variant does not give a number.
    """
    if settings.threads is None and settings.lanes == "auto":
        return 1  # the lanes are the parallelism
    limit = environment.get("BENTO_THREADS", "")
    if limit.isdigit() and not isinstance(settings.threads, int):
        return max(1, int(limit))
    # `lean` alone runs requests on one thread too, and leaves the model's threads as they are.
    divided = settings.threads is None and settings.max_batch_tokens is not None
    if settings.threads == "auto" or divided:
        lanes = 1 if settings.lanes == "auto" else int(settings.lanes or 1)
        return max(1, (available or cpus()) // (settings.workers * lanes))
    return None if settings.threads is None else int(settings.threads)


def resolve_lanes(
    settings: Settings,
    available: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """Threads of this worker that run the model at the same time; arguments as above."""
    if settings.lanes == "auto":
        threads = resolve_threads(settings, available, environment) or 1
        return max(1, (available or cpus()) // (settings.workers * threads))
    return int(settings.lanes or 1)


def resolve_wide(
    settings: Settings,
    available: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """How many idle lanes' CPUs a pass may take; arguments as above.

    Beyond a few threads a text gains little more, and so many idle lanes are rare. Lanes without
    CPUs of their own have none to lend.
    """
    lanes = resolve_lanes(settings, available, environment)
    threads = resolve_threads(settings, available, environment) or 1
    if settings.workers * lanes * threads > (available or cpus()):
        return 1
    return min(lanes, max(1, MOST_WIDE // threads))


def cpus() -> int:
    """CPUs that this process may use at the same time, rounded down, at least one.

    The affinity mask bounds them, and so does the quota of its cgroup and of those above: a
    container with a limit of one CPU still sees all of the host's.
    """
    seen = float(len(os.sched_getaffinity(0)))
    return max(1, int(min(seen, allowed_cpus() or seen)))
