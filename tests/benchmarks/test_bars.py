import sys
from datetime import date
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bars import Figure, judge, table

KEPT = Figure("optbuild --help", "s", (0.2, 0.9, 0.25), at_most=0.3)
MISSED = Figure("lateness p99 at 1000/s", "ms", (2.0, 3.5, 4.0), at_most=3.0)
FREE = Figure("optbuild layers", "s", (5.0,))


def test_the_median_of_the_repeats_is_judged_not_the_worst() -> None:
    assert [one.missed for one in (KEPT, MISSED, FREE)] == [False, True, False]


@pytest.mark.parametrize(("figures", "code"), [([KEPT, FREE], 0), ([KEPT, MISSED], 1)])
def test_a_missed_bar_is_exit_code_1(
    figures: list[Figure], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(figures) == code
    assert "GiB" in capsys.readouterr().out


def test_the_table_can_be_pasted() -> None:
    lines = table([KEPT, MISSED, FREE], date(2026, 11, 25), "a CPU, 2 cores").splitlines()
    assert lines[0] == "Measured on 2026-11-25, a CPU, 2 cores."
    assert lines[-3] == ("| optbuild --help | 0.25 s | 0.2 to 0.9 s | 3 | at most 0.3 s: kept |")
    assert lines[-2].endswith("| at most 3 ms: MISSED |")
    assert lines[-1].endswith("| 1 | – |")
