"""From raw counters of processes to what the server took."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from fake_runs import rows

from analysis.records import write_records
from analysis.server import intervals, read_server, write_server
from variants._errors import OptbuildError

NAN = float("nan")


def columns(*rows: tuple[float, int, float, int, float]) -> dict[str, Any]:
    """From (at, pid, cpu, rss, throttled); each process has two threads."""
    at_s, pid, cpu_s, rss, throttled = zip(*rows, strict=True)
    return {
        "at_s": at_s,
        "pid": pid,
        "cpu_s": cpu_s,
        "rss_bytes": rss,
        "threads": [2] * len(rows),
        "throttled_s": throttled,
    }


TWO_WORKERS = columns(
    (-1.0, 10, 5.0, 100, 3.0),
    (-1.0, 11, 7.0, 200, 3.0),
    (1.0, 10, 6.0, 100, 3.5),
    (1.0, 11, 9.0, 300, 3.5),
    (2.0, 10, 6.5, 100, 3.5),
    (2.0, 11, 9.5, 300, 3.5),
)


def test_counters_become_rates_of_their_intervals() -> None:
    seen = intervals(TWO_WORKERS)
    assert seen is not None
    np.testing.assert_allclose(seen.at_s, [1.0, 2.0])
    np.testing.assert_allclose(seen.length_s, [2.0, 1.0])
    np.testing.assert_allclose(seen.cpu_cores, [1.5, 1.0])
    np.testing.assert_allclose(seen.rss_bytes, [400, 400])
    np.testing.assert_allclose(seen.threads, [4, 4])
    np.testing.assert_allclose(seen.processes, [2, 2])
    np.testing.assert_allclose(seen.throttled_s, [0.5, 0.0])


def test_a_worker_that_dies_takes_nothing_back_and_its_successor_brings_its_own() -> None:
    seen = intervals(
        columns(
            (0.0, 10, 5.0, 100, NAN),
            (1.0, 10, 6.0, 100, NAN),
            (2.0, 11, 0.5, 80, NAN),
            (3.0, 11, 1.5, 90, NAN),
        )
    )
    assert seen is not None
    np.testing.assert_allclose(seen.cpu_cores, [1.0, 0.5, 1.0])
    np.testing.assert_allclose(seen.rss_bytes, [100, 80, 90])
    assert np.isnan(seen.throttled_s).all()


@pytest.mark.parametrize("count", [0, 1])
def test_one_sample_says_nothing(count: int) -> None:
    cut = {name: values[:count] for name, values in TWO_WORKERS.items()}
    assert intervals(cut) is None


def test_what_is_written_is_read_from_the_folder_or_the_file(tmp_path: Path) -> None:
    write_server(tmp_path / "server.parquet", TWO_WORKERS)
    for path in (tmp_path, tmp_path / "server.parquet"):
        seen = read_server(path)
        assert seen is not None
        np.testing.assert_allclose(seen.cpu_cores, [1.5, 1.0])


def test_without_a_quota_throttling_is_null_on_disk(tmp_path: Path) -> None:
    write_server(tmp_path / "server.parquet", columns((0, 1, 0, 1, NAN), (1, 1, 1, 1, NAN)))
    assert pq.read_table(tmp_path / "server.parquet")["throttled_s"].null_count == 2


def test_a_run_that_was_not_watched_has_none(tmp_path: Path) -> None:
    assert read_server(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"PAR1 no", b"{}"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "server.parquet").write_bytes(content)
    with pytest.raises(OptbuildError, match=r"server\.parquet"):
        read_server(tmp_path)


def test_other_columns_are_named(tmp_path: Path) -> None:
    write_records(tmp_path / "server.parquet", rows([0.1], [0]))
    with pytest.raises(OptbuildError, match="columns differ"):
        read_server(tmp_path)
