"""The processes of a container, if this machine sees them."""

from collections.abc import Iterable
from pathlib import Path

import psutil
from docker.models.containers import Container

from bentofiles.cgroup import PROC


def first_process(container: Container, proc: Path = PROC) -> int | None:
    """Id of a running container's first process as of its last `reload`; None if unseen from here.

    An engine on another machine, in a virtual one or beside us in a container of our own names it
    by a number that is somebody else's here: the cgroup of our process does not name the container.
    """
    number = int(container.attrs["State"].get("Pid") or 0)
    try:
        memberships = (proc / str(number) / "cgroup").read_text(encoding="utf-8")
    except OSError:
        return None
    return number if str(container.id) in memberships else None


def with_descendants(numbers: Iterable[int]) -> list[int]:
    """Those of these processes that run, and all that they have started."""
    found: list[int] = []
    for number in numbers:
        try:
            children = psutil.Process(number).children(recursive=True)
        except psutil.NoSuchProcess:
            continue
        found += [number, *(child.pid for child in children)]
    return found
