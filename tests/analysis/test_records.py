import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import records as module
from analysis.records import (
    OK,
    OUTCOMES,
    SCHEMA,
    TIMEOUT,
    UNSENT,
    Records,
    read_records,
    write_records,
)
from variants._errors import OptbuildError


def some(count: int = 5) -> Records:
    planned_s = np.arange(count) / 4
    outcome = np.resize(np.array([OK, UNSENT, TIMEOUT], dtype=np.int8), count)
    sent_s = np.where(outcome == UNSENT, np.nan, planned_s + 0.001)
    return Records(
        index=np.arange(count, dtype=np.int32),
        planned_s=planned_s,
        sent_s=sent_s,
        done_s=sent_s + 0.1,
        status=np.where(outcome == OK, 200, 0).astype(np.int16),
        outcome=outcome,
        payload=np.arange(count, dtype=np.int32)[::-1].copy(),
    )


def columns_of(records: Records) -> dict[str, np.ndarray]:
    return {name: getattr(records, name) for name in SCHEMA.names}


@pytest.mark.parametrize("count", [0, 1, 5, 3000])
def test_what_was_written_is_read_again(tmp_path: Path, count: int) -> None:
    path = tmp_path / "records.parquet"
    write_records(path, some(count))
    records = read_records(path)
    assert len(records) == count
    for name, column in columns_of(some(count)).items():
        read = getattr(records, name)
        np.testing.assert_array_equal(read, column)
        assert read.dtype == column.dtype


@given(st.lists(st.sampled_from(range(len(OUTCOMES))), max_size=40))
def test_outcomes_survive_and_are_counted(codes: list[int]) -> None:
    count = len(codes)
    columns = {**columns_of(some(count)), "outcome": np.array(codes, dtype=np.int8)}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "records.parquet"
        write_records(path, columns)
        records = read_records(path)
    assert records.outcome.tolist() == codes
    assert records.outcomes == {name: codes.count(i) for i, name in enumerate(OUTCOMES)}


def test_the_file_has_the_promised_columns_and_nulls(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    write_records(path, some())
    table = pq.read_table(path)
    assert table.schema.equals(SCHEMA)
    assert table["outcome"].to_pylist() == ["ok", "unsent", "timeout", "ok", "unsent"]
    assert table["sent_s"].null_count == table["done_s"].null_count == 2
    assert pq.ParquetFile(path).metadata.row_group(0).column(1).compression == "ZSTD"
    assert path.stat().st_mode & 0o777 == 0o644


def test_each_interval_starts_where_its_name_says() -> None:
    records = some()
    assert records.latency_s[0] == pytest.approx(0.101)
    assert records.service_s[0] == pytest.approx(0.1)
    assert records.lateness_s[0] == pytest.approx(0.001)
    assert np.isnan(records.latency_s[1])


def test_row_groups_may_number_their_outcomes_differently(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    plain = {name: column for name, column in columns_of(some(2)).items() if name != "outcome"}
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for start, name in ((0, "reset"), (2, "ok")):
            part = {**plain, "index": np.arange(start, start + 2)}
            part["outcome"] = pa.DictionaryArray.from_arrays(
                pa.array([0, 0], pa.int8()), pa.array([name])
            )
            writer.write_table(pa.table(part, schema=SCHEMA))
    names = [OUTCOMES[code] for code in read_records(path).outcome]
    assert names == ["reset", "reset", "ok", "ok"]


def test_an_existing_file_stays_whole_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "records.parquet"
    write_records(path, some())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(OptbuildError, match=r"records\.parquet: No space left"):
        write_records(path, some(9))
    assert len(read_records(path)) == 5
    assert list(tmp_path.iterdir()) == [path]


def test_many_rows_go_in_several_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROW_GROUP", 4)
    path = tmp_path / "records.parquet"
    write_records(path, some(10))
    assert pq.ParquetFile(path).num_row_groups == 3
    for name, column in columns_of(read_records(path)).items():
        np.testing.assert_array_equal(column, columns_of(some(10))[name], name)


def damaged(kind: str, path: Path) -> None:
    write_records(path, some(3000))
    content = path.read_bytes()
    if kind == "missing":
        path.unlink()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "overwritten":
        path.write_bytes(content[:40] + b"\0" * 2000 + content[2040:])
    elif kind == "text":
        path.write_text("index,planned_s\n")
    elif kind == "foreign":
        pq.write_table(pa.table({"a": [1]}), path)
    elif kind == "other type":
        table = pq.read_table(path)
        pq.write_table(table.set_column(0, "index", table["index"].cast(pa.int64())), path)
    elif kind == "lost row":
        pq.write_table(pq.read_table(path).slice(1), path)
    elif kind == "unknown outcome":
        table = pq.read_table(path)
        names = pa.array(["lost"] * len(table)).dictionary_encode()
        column = names.cast(SCHEMA.field("outcome").type)
        table = table.set_column(5, SCHEMA.field("outcome"), column)
        pq.write_table(table, path)


DAMAGES = ["missing", "empty", "truncated", "overwritten", "text", "foreign"]
DAMAGES += ["other type", "lost row", "unknown outcome"]


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "records.parquet"
    damaged(kind, path)
    with pytest.raises(OptbuildError) as raised:
        read_records(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_columns_of_unequal_length_are_a_bug(tmp_path: Path) -> None:
    columns = {**columns_of(some(3)), "payload": np.zeros(2)}
    with pytest.raises(pa.ArrowInvalid):
        write_records(tmp_path / "records.parquet", columns)
    assert not list(tmp_path.iterdir())


def test_analysis_needs_no_load_generator() -> None:
    code = "import sys, analysis.records; print({'locust', 'gevent'} & set(sys.modules))"
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True
    )
    assert done.stdout.strip() == "set()"
