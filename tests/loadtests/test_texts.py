from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests import _texts
from loadtests._texts import generated_sentences, held_out, load_texts, read_reviews, split_of
from variants._errors import OptbuildError


def test_a_file_gives_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("one\n\n  two  \nÄ\n", encoding="utf-8")
    texts = load_texts(path)
    assert (texts.source, texts.texts) == ("mine.txt", ("one", "two", "Ä"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"", "holds no text"),
        (b" \n\n", "holds no text"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "mine.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OptbuildError, match=words) as raised:
        load_texts(path)
    assert str(path) in str(raised.value)


def test_the_digest_sees_order_and_borders(tmp_path: Path) -> None:
    digests = set()
    for content in ("a b\nc", "c\na b", "a\nb c"):
        (tmp_path / "t").write_text(content)
        digests.add(load_texts(tmp_path / "t").sha256)
    assert len(digests) == 3


def test_generated_sentences_come_from_the_seed() -> None:
    assert generated_sentences(50) == generated_sentences(50) != generated_sentences(50, seed=1)
    assert all(5 <= len(text.split()) <= 40 for text in generated_sentences(200))


def test_held_out_sentences_where_they_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = load_texts(None)
    assert texts.source == "rotten_tomatoes held out"
    assert texts.texts == tuple(review.text for review in held_out("rotten_tomatoes"))

    def missing(source: str) -> None:
        raise OptbuildError("not installed")

    monkeypatch.setattr(_texts, "read_reviews", missing)
    assert load_texts(None).source == "generated"


def test_no_text_stands_on_two_sides() -> None:
    reviews = read_reviews()
    sides = {split_of(review.text) for review in reviews}
    assert sides == {"train", "validation", "test"}
    assert len({review.text for review in reviews}) == len(reviews)


@given(st.text())
def test_case_and_space_do_not_change_the_side(text: str) -> None:
    assert split_of(text) == split_of(f"  {text}\n")
    assert split_of("A Fine  film") == split_of("a fine film.")
