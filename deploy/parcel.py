"""Files through a log: lines that can be told from any others, and show whether one is missing.

It takes no more than the right to read a pod's log, where a copy takes that to run commands in it.
"""

import base64
import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from variants._errors import OptbuildError

MARK = "optbuild-parcel "
LINE_BYTES = 6000  # 8000 characters: a container runtime splits lines above 16 KiB
# A kubelet begins a new file after 10 MiB of log (containerLogMaxSize), and shows the newest only;
# base64 and what it puts before each line make 7 MB 9.6 MB.
MOST_BYTES = 7_000_000


def wrap(files: Iterable[Path]) -> Iterator[str]:
    """Lines that hold the files; raises OptbuildError if they are more than a log keeps."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            archive.add(file, file.name)
    content = buffer.getvalue()
    require_room(len(content))
    for start in range(0, len(content), LINE_BYTES):
        yield MARK + base64.b64encode(content[start : start + LINE_BYTES]).decode()
    yield f"{MARK}end {hashlib.sha256(content).hexdigest()}"


def require_room(size_bytes: float) -> None:
    """Raise OptbuildError if so much is more than a pod's log keeps."""
    if size_bytes > MOST_BYTES:
        raise OptbuildError(
            f"results of {size_bytes / 1e6:.1f} MB do not fit into a pod's log "
            f"({MOST_BYTES / 1e6:g} MB): give a lower --rate or --duration, or --load local"
        )


def unwrap(log: str, folder: Path) -> str:
    """Write the files of a log to a folder; returns the log's other lines.

    Raises OptbuildError unless all of them is there.
    """
    parts, others, digest = [], [], ""
    for line in log.splitlines():
        if not line.startswith(MARK):
            others.append(line)
        elif line.startswith(f"{MARK}end "):
            digest = line.split()[-1]
        else:
            parts.append(base64.b64decode(line.removeprefix(MARK)))
    content = b"".join(parts)
    if hashlib.sha256(content).hexdigest() != digest:
        raise OptbuildError(
            "the results in the log of the load generator's pod are not complete: raise the "
            "kubelet's containerLogMaxSize, or choose --load local",
            exit_code=1,
        )
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for entry in archive:
            if (file := archive.extractfile(entry)) is not None:
                (folder / Path(entry.name).name).write_bytes(file.read())
    return "\n".join(others)
