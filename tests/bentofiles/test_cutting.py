"""What is read of a long text: as much as its tokens come from, and no more."""

from pathlib import Path
from time import perf_counter

import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from bentofiles.cutting import MOST, encodings
from bentofiles.packing import READ

BUNDLED = Path(__file__).parents[2] / "builder" / "bundled" / "tokenizer.json"
TOKENS = 64
PROSE = "The film, oddly enough , is a failure: nobody could have told (or wanted to tell) why!  "


@pytest.fixture(scope="module")
def bundled() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(BUNDLED))
    tokenizer.enable_truncation(TOKENS)
    return tokenizer


def word_piece() -> Tokenizer:
    """Splits Chinese by its characters, and makes one token of words that are too long."""
    letters = {letter: number for number, letter in enumerate("abcdefghij水火")}
    pieces = {f"##{letter}": number + 20 for letter, number in letters.items()}
    tokenizer = Tokenizer(models.WordPiece({**letters, **pieces, "[UNK]": 50}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.enable_truncation(TOKENS)
    return tokenizer


@pytest.mark.parametrize(
    "text",
    [
        PROSE * 100,
        "a" * 10_000,
        "a" * (READ * TOKENS - 5) + PROSE * 10,
        PROSE.replace(" ", " " * 40) * 30,
        "\n".join(["   indented"] * 1000),
        "水火" * 2000,
        "é\u0301" * 3000,
        "\ufdfa" * 3000,
        PROSE + "\N{GRINNING FACE}\u200d" * 2000,
        "1234567890" * 1000,
    ],
)
@pytest.mark.parametrize("kind", ["bundled", "word piece"])
def test_a_long_text_has_the_tokens_of_the_whole(text: str, kind: str, bundled: Tokenizer) -> None:
    tokenizer = bundled if kind == "bundled" else word_piece()
    (cut,) = encodings(tokenizer, [text], TOKENS)
    assert cut.ids == tokenizer.encode(text).ids


@pytest.mark.parametrize("after", range(40))
def test_a_cut_in_the_midst_of_a_word_changes_none(after: int, bundled: Tokenizer) -> None:
    text = "ab " * 20 + "x" * after + " " + "failure of imagination, " * 100
    for tokenizer in (bundled, word_piece()):
        (cut,) = encodings(tokenizer, [text], TOKENS)
        assert cut.ids == tokenizer.encode(text).ids


def test_short_ones_beside_a_long_one_are_what_they_are_alone(bundled: Tokenizer) -> None:
    texts = ["good", PROSE * 100, "", "bad"]
    found = [encoding.ids for encoding in encodings(bundled, texts, TOKENS)]
    assert found == [bundled.encode(text).ids for text in texts]


def test_of_what_never_comes_to_its_last_token_only_the_beginning_counts() -> None:
    text = " " * MOST * TOKENS + "a"
    assert [one.ids for one in encodings(word_piece(), [text], TOKENS)] == [[]]


@pytest.mark.parametrize("text", ["\ufdfa" * 340_000, " " * 1_000_000 + "a.", "." * 1_000_000])
def test_a_megabyte_takes_no_longer_than_its_beginning(text: str, bundled: Tokenizer) -> None:
    begin_s = perf_counter()
    list(encodings(bundled, [text], TOKENS))
    assert perf_counter() - begin_s < 1  # 10 s to an hour for the whole


def test_a_pattern_that_takes_ever_longer_is_given_little() -> None:
    tokenizer = word_piece()
    tokenizer.normalizer = normalizers.Replace(Regex(r"\s+(?=[.,;:!?)])"), "")
    begin_s = perf_counter()
    list(encodings(tokenizer, [" " * 1_000_000], TOKENS))
    assert perf_counter() - begin_s < 5
