import json
import math
from pathlib import Path

import pytest

from analysis.records import OK, TIMEOUT, read_records
from loadtests._recorder import (
    Recorder,
    facts_path_of,
    figures,
    planned_by,
    read_so_far,
    save,
    so_far_path_of,
    summary,
    unused,
    write_so_far,
)
from loadtests._schedule import renewal
from variants._errors import OptbuildError


def recorder() -> Recorder:
    return Recorder(renewal(20.0, 1.0, 2.0, 1, 5))


def test_every_planned_request_has_a_row_before_anything_happened() -> None:
    records = recorder().records()
    assert len(records) == len(renewal(20.0, 1.0, 2.0, 1, 5))
    assert records.outcomes["unsent"] == len(records)
    assert figures(records)["lateness_s"] == {"p50": None, "p99": None, "max": None}
    assert "p50 -" in summary(records)


def test_what_happened_stands_in_its_row() -> None:
    columns = recorder()
    columns.sent(1, 0.5)
    columns.done(1, 0.75, 200, OK)
    columns.sent(2, 0.5)
    columns.done(2, 10.5, 0, TIMEOUT)
    columns.sent(3, 0.6)
    columns.sent(3, math.nan)
    records = columns.records()
    assert (records.sent_s[1], records.done_s[1], records.status[1]) == (0.5, 0.75, 200)
    assert figures(records)["sent"] == 2
    outcomes = {name: n for name, n in records.outcomes.items() if n}
    assert outcomes == {"ok": 1, "timeout": 1, "unsent": len(records) - 2}
    assert f"planned {len(records)}, rows {len(records)}, sent 2: ok 1" in summary(records)


def test_the_facts_are_written_last_and_replace_older_ones(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    save(path, recorder().records(), {"planned": 3})
    assert json.loads((tmp_path / "load.json").read_text()) == {"planned": 3}
    assert read_records(path).outcomes["ok"] == 0
    assert {entry.name for entry in tmp_path.iterdir()} == {"records.parquet", "load.json"}


def test_facts_never_describe_other_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "records.parquet"
    save(path, recorder().records(), {})

    def fail(*_: object) -> None:
        raise OptbuildError("disk full")

    monkeypatch.setattr("loadtests._recorder.write_records", fail)
    with pytest.raises(OptbuildError, match="disk full"):
        save(path, recorder().records(), {})
    assert not (tmp_path / "load.json").exists()


@pytest.mark.parametrize(
    ("records", "facts"),
    [
        ("records.parquet", "load.json"),
        ("records-2.parquet", "load-2.json"),
        ("my-run.parquet", "load.json"),
    ],
)
def test_facts_stand_beside_the_record(records: str, facts: str) -> None:
    assert facts_path_of(Path("out") / records) == Path("out") / facts


def test_a_second_test_gets_a_name_of_its_own() -> None:
    first, second, third = (Path(f"o/records{n}.parquet") for n in ("", "-2", "-3"))
    assert unused(first, set()) == first
    assert unused(first, {first}) == second
    assert unused(first, {first, second}) == third


def test_the_rows_so_far_are_shown_and_gone_with_the_end(tmp_path: Path) -> None:
    columns = recorder()
    columns.sent(0, 0.1)
    columns.done(0, 0.2, 200, OK)
    records = columns.records()
    path = so_far_path_of(tmp_path / "records.parquet")
    write_so_far(path, planned_by(records, float(records.planned_s[2])))
    columns.done(1, 0.3, 200, OK)  # too late to be seen
    shown = read_so_far(path)
    assert len(shown) == 3
    assert shown.outcomes["ok"] == 1
    assert shown.done_s[0] == 0.2
    save(tmp_path / "records.parquet", records, {})
    assert {found.name for found in tmp_path.iterdir()} == {"records.parquet", "load.json"}
