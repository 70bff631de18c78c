"""Facts of the machine that a result depends on."""

import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from builder.isa import recorded_flags
from loadtests._calm import goes_first

MACHINE_ID = Path("/etc/machine-id")

LIBRARIES = (
    "bentoml",
    "gevent",
    "locust",
    "numpy",
    "onnx",
    "onnxruntime",
    "optimum",
    "optimum-onnx",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
    "uvicorn",
)


@cache
def version_of(library: str) -> str:
    """Installed version without the local part (`2.13.0+cpu` is 2.13.0 on the index)."""
    return importlib.metadata.version(library).partition("+")[0]


def library_versions(libraries: Iterable[str]) -> dict[str, str]:
    """Installed version of each library."""
    return {library: version_of(library) for library in libraries}


def machine_facts() -> dict[str, object]:
    """CPU, memory, kernel and library versions, as `run.json` records them."""
    return {
        "host": host(),
        "cpu_model": _cpu_model(),
        "isa": recorded_flags(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        # Of the load generator; where it is ordinary, local servers give way to it.
        "priority": "real-time" if goes_first() else "ordinary",
        "python": platform.python_version(),
        "libraries": library_versions(LIBRARIES),
    }


def machine_words() -> str:
    """Its CPUs as a reader would name them, e.g. "2 x AMD EPYC (avx2, fma)"."""
    return f"{len(os.sched_getaffinity(0))} x {_cpu_model()} ({', '.join(recorded_flags())})"


def host(file: Path = MACHINE_ID) -> str | None:
    """Which machine this is, among others of its size; None where the system does not say.

    A hash, since machine-id(5) asks for the id itself to be kept to the machine.
    """
    try:
        machine_id = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    if machine_id in ("", "uninitialized"):  # of an image that has not been started yet
        return None
    return hashlib.sha256(f"optbuild {machine_id}".encode()).hexdigest()[:16]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
