"""A byte-level BPE tokenizer of the train texts, and texts as rows of ids."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")  # ids 0 to 4
START, PAD, END, UNKNOWN, MASK = range(5)

Ids = NDArray[np.int64]


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """A tokenizer of at most `vocabulary` tokens that wraps a text in <s> and </s>.

    The two sources are written differently (one in lower case with spaces before punctuation), so
    case and those spaces are folded: a word is the same token in both.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            # Not `\s+` alone: of n spaces that nothing follows it tries all n beginnings.
            normalizers.Replace(Regex(r"(?<!\s)\s++(?=[.,;:!?)])"), ""),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            min_frequency=2,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", END), ("<s>", START), trim_offsets=True, add_prefix_space=True
    )
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Ids]:
    """Ids of each text, <s> and </s> included, uncut."""
    return [np.array(e.ids, dtype=np.int64) for e in tokenizer.encode_batch_fast(list(texts))]


def cut(ids: Ids, max_tokens: int, start: int = 0) -> Ids:
    """A window of at most `max_tokens` ids, still wrapped in <s> and </s>.

    `start` counts from the first token after <s>.
    """
    if len(ids) <= max_tokens:
        return ids
    window = ids[1 + start : max_tokens - 1 + start]
    return np.concatenate(([START], window[: max_tokens - 2], [END]))


def pad(rows: Sequence[Ids]) -> tuple[Ids, Ids]:
    """Ids and attention mask, both (rows, longest)."""
    longest = max(len(row) for row in rows)
    ids = np.full((len(rows), longest), PAD, dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return ids, (ids != PAD).astype(np.int64)


def save_tokenizer(tokenizer: Tokenizer, folder: Path, max_tokens: int) -> None:
    """Writes tokenizer.json and what transformers' AutoTokenizer needs beside it."""
    start, pad_token, end, unknown, hidden = SPECIAL_TOKENS
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_tokens,
        model_input_names=["input_ids", "attention_mask"],
        add_prefix_space=True,  # else transformers turns it off in the file
        bos_token=start,
        cls_token=start,
        pad_token=pad_token,
        eos_token=end,
        sep_token=end,
        unk_token=unknown,
        mask_token=hidden,
    ).save_pretrained(folder)
