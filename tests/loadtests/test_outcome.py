import pytest

from analysis.records import OUTCOMES
from loadtests._outcome import outcome_of

GOOD = b'[{"label": "positive", "score": 0.98}]'


@pytest.mark.parametrize(
    ("status", "body", "name"),
    [
        (200, GOOD, "ok"),
        (200, b'[{"label": "positive", "score": 1, "more": null}]', "ok"),
        (200, b"", "wrong"),
        (200, b"null", "wrong"),
        (200, b"not json", "wrong"),
        (200, b"\xff\xfe", "wrong"),
        (200, b"[]", "wrong"),
        (200, b'{"label": "positive", "score": 0.98}', "wrong"),
        (200, GOOD.replace(b"]", b", {}]"), "wrong"),
        (200, b'["positive"]', "wrong"),
        (200, b'[{"label": "positive"}]', "wrong"),
        (200, b'[{"score": 0.98}]', "wrong"),
        (200, b'[{"label": 1, "score": 0.98}]', "wrong"),
        (200, b'[{"label": "positive", "score": "high"}]', "wrong"),
        (200, b'[{"label": "positive", "score": true}]', "wrong"),
        (200, b"[" * 100_000, "wrong"),
        (201, GOOD, "wrong"),
        (302, b"", "wrong"),
        (400, GOOD, "wrong"),
        (413, b"", "wrong"),
        (429, GOOD, "rejected"),
        (500, GOOD, "wrong"),
        (503, GOOD, "unavailable"),
        (504, b"", "wrong"),
    ],
)
def test_an_answer_counts_as(status: int, body: bytes, name: str) -> None:
    assert OUTCOMES[outcome_of(status, body)] == name
