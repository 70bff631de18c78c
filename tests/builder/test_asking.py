import pytest

from builder.asking import reason


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"error": "no time left: try again later"}', "no time left: try again later"),
        (b"Internal Server Error\n", "Internal Server Error"),
        (b'{"detail": 1}', '{"detail": 1}'),
        (b"[]", "[]"),
        (b"\xff", "\ufffd"),
        (b"", "no reason given"),
        (b"x" * 1000, "x" * 200),
    ],
)
def test_the_reason_of_an_answer_is_its_text(content: bytes, said: str) -> None:
    assert reason(content) == said
