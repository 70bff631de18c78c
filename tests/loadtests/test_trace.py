from pathlib import Path

import numpy as np
import pytest

from loadtests._trace import replay, timestamps_s
from variants._errors import OptbuildError


def csv(directory: Path, text: str) -> Path:
    path = directory / "trace.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0\n0.5\n2e1\n", [0, 0.5, 20]),
        ("timestamp\n1\n2\n", [1, 2]),
        ("when\n1\n2\n", [1, 2]),  # any header; the first column
        ("id,Timestamp,path\n7,1.5,/a\n8,3,/b\n", [1.5, 3]),
        ("\ufefftimestamp\r\n1\r\n\r\n2\r\n", [1, 2]),  # as spreadsheets write it
        ("2026-01-01T00:00:01Z\n2026-01-01 00:00:02.5\n", [1767225601, 1767225602.5]),
        ("2026-01-01T01:00:00+01:00\n", [1767225600]),
    ],
)
def test_what_a_trace_may_look_like(tmp_path: Path, text: str, seconds: list[float]) -> None:
    np.testing.assert_allclose(timestamps_s(csv(tmp_path, text)), seconds)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no timestamp"),
        ("timestamp\n", "holds no timestamp"),
        ("1\nsoon\n", "line 2: no timestamp in seconds or ISO 8601: 'soon'"),
        ("1\n2\nnan\n", "line 3"),
        ("timestamp\n1\n\n\n-\n", "line 5"),
        ("a,timestamp\n1,2\n3\n", "line 3"),
        ("what\never\n", "line 2"),
    ],
)
def test_a_bad_trace_is_one_line_that_names_the_place(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(OptbuildError, match=words) as raised:
        timestamps_s(csv(tmp_path, text))
    assert "trace.csv" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_no_text_and_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(OptbuildError, match="no CSV file in UTF-8"):
        timestamps_s(tmp_path / "trace.csv")
    with pytest.raises(OptbuildError, match=r"nowhere\.csv: No such file"):
        timestamps_s(tmp_path / "nowhere.csv")
    with pytest.raises(OptbuildError, match="add --trace FILE"):
        replay(None, 1.0, 60.0, 1, 5)


def test_replaying_starts_at_the_first_and_keeps_the_gaps(tmp_path: Path) -> None:
    path = csv(tmp_path, "timestamp\n103\n100\n101.5\n190\n")
    schedule = replay(path, 1.0, 60.0, 1, 5)
    assert schedule.planned_s.tolist() == [0.0, 1.5, 3.0]
    assert replay(path, 2.0, 60.0, 1, 5).planned_s.tolist() == [0.0, 0.75, 1.5, 45.0]
    assert schedule.law is None
    assert (schedule.payload == replay(path, 2.0, 60.0, 1, 5).payload[:3]).all()
    assert schedule.payload.max() < 5


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_that_cannot_be_meant(tmp_path: Path, speed: float) -> None:
    with pytest.raises(OptbuildError, match="speed must be more than 0"):
        replay(csv(tmp_path, "1\n"), speed, 60.0, 1, 5)
