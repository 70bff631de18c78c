"""What the server's processes took while a run was measured: the shape of `server.parquet`.

Raw counters, one row for each process at each sample, about one sample a second; CPU time counts
from the start of the process, throttling from that of the cgroup. What happened between two
samples is derived here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from variants._errors import OptbuildError

SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("at_s", pa.float64(), nullable=False),  # from the schedule's origin, to 0.1 s
        pa.field("pid", pa.int32(), nullable=False),
        pa.field("cpu_s", pa.float64(), nullable=False),  # user and system, since the process began
        pa.field("rss_bytes", pa.int64(), nullable=False),
        pa.field("threads", pa.int32(), nullable=False),
        # Of the nearest cgroups with a CPU quota together (each replica has its own), since they
        # began: the same in all rows of a sample; null where nothing limits.
        pa.field("throttled_s", pa.float64()),
    ]
)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ServerSamples:
    """Columns of equal length n >= 1: interval k ends at `at_s[k]` and begins `length_s[k]` before.

    Seconds from the schedule's origin, right to about 0.1 s; the first interval begins before it.
    """

    at_s: Floats
    length_s: Floats
    cpu_cores: Floats  # CPU seconds of all processes a second, over the interval
    rss_bytes: Floats  # sum over the processes at its end; what workers share counts for each
    threads: Floats  # at its end
    processes: Floats  # at its end
    throttled_s: Floats  # for so long quotas held cgroups back in the interval; NaN: no quota


def write_server(path: Path, columns: Mapping[str, npt.ArrayLike]) -> None:
    """Write the rows; NaN in `throttled_s` becomes null. In a folder that is not final yet."""
    arrays = [
        pa.array(np.asarray(columns[field.name]), type=field.type, from_pandas=field.nullable)
        for field in SCHEMA
    ]
    pq.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA), path, compression="zstd")


def read_server(path: Path) -> ServerSamples | None:
    """Read `server.parquet` in a run's folder, or that file; None if it is not there.

    Runs of a server that was not watched have none. Raises OptbuildError that names the file if it
    is damaged.
    """
    file = path / "server.parquet" if path.is_dir() else path
    if not file.exists():
        return None
    try:
        table = pq.read_table(file, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OptbuildError(f"cannot read the server's samples {file}: {reason}") from error
    if not table.schema.equals(SCHEMA):
        raise OptbuildError(f"{file} holds no samples of a server: its columns differ")
    return intervals({name: np.asarray(table[name].to_numpy()) for name in SCHEMA.names})


def intervals(columns: Mapping[str, npt.ArrayLike]) -> ServerSamples | None:
    """What happened between the samples; None with fewer than two of them.

    A process that started between two samples brings all its CPU time, one that ended keeps what
    it had at its last sample: its very last fraction of a second is not seen.
    """
    at_s, sample = np.unique(np.asarray(columns["at_s"], dtype=np.float64), return_inverse=True)
    if len(at_s) < 2:
        return None
    pids, process = np.unique(np.asarray(columns["pid"]), return_inverse=True)
    cpu_s = np.zeros((len(at_s), len(pids)))
    cpu_s[sample, process] = columns["cpu_s"]
    total_s = np.maximum.accumulate(cpu_s, axis=0).sum(axis=1)
    throttled_s = np.full(len(at_s), np.nan)
    throttled_s[sample] = columns["throttled_s"]
    length_s = np.diff(at_s)

    def summed(values: npt.ArrayLike) -> Floats:
        weights = np.asarray(values, dtype=np.float64)
        return np.bincount(sample, weights=weights, minlength=len(at_s))[1:].astype(np.float64)

    return ServerSamples(
        at_s=at_s[1:],
        length_s=length_s,
        cpu_cores=np.diff(total_s) / length_s,
        rss_bytes=summed(columns["rss_bytes"]),
        threads=summed(columns["threads"]),
        processes=summed(np.ones(len(sample))),
        throttled_s=np.diff(throttled_s),
    )
