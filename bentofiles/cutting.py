"""Reads no more of a long text than its tokens come from.

The tokenizer reads all of a text before it cuts off what is too much, and some texts become many
times as long when it normalizes them: one of a megabyte took 2 GiB and twelve seconds.
"""

from collections.abc import Iterable, Sequence

from tokenizers import Encoding, Tokenizer

from bentofiles.packing import READ

# Characters a token: words have 4 to 5, so READ of them are nearly always enough. What has still
# not come to its last token after MOST is cut off there.
MOST = 64


def encodings(tokenizer: Tokenizer, texts: Sequence[str], most_tokens: int) -> Iterable[Encoding]:
    """The texts' encodings by a tokenizer that truncates to `most_tokens`.

    One after the other where one of them is long: an encoding holds all that it has cut off.
    """
    if all(len(text) <= READ * most_tokens for text in texts):
        together: list[Encoding] = tokenizer.encode_batch_fast(list(texts))  # without offsets
        return together
    return (_encoding(tokenizer, text, most_tokens) for text in texts)


def _encoding(tokenizer: Tokenizer, text: str, most_tokens: int) -> Encoding:
    few = tokenizer.encode(text[: READ * most_tokens])
    if len(text) <= READ * most_tokens or _is_whole(few):
        return few
    return tokenizer.encode(text[: MOST * most_tokens])


def _is_whole(encoding: Encoding) -> bool:
    """Whether its tokens would be the same if the text went on.

    They are once two words are seen behind the one of the last token that counts: words are split
    into tokens each by itself, and split from each other by what is next to them.
    """
    cut_off = [_last_word(part) for part in encoding.overflowing]
    return bool(cut_off) and max(cut_off) >= _last_word(encoding) + 2


def _last_word(encoding: Encoding) -> int:
    return max((word for word in encoding.word_ids if word is not None), default=-1)
