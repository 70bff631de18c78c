"""The bundled model, and the training that made it."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from builder._train_card import score
from builder._train_classify import predict
from builder._train_data import label
from builder._train_loop import rate_factor
from builder._train_mlm import mask, pack
from builder._train_settings import Pretraining
from builder._train_tokens import END, MASK, PAD, START, cut, encode, pad
from builder.train import BUNDLED, main
from loadtests._texts import held_out, read_reviews, split_of

MEGABYTE = 1_000_000
TEXTS = (
    "a masterpiece .",
    "Don't  miss it!! (really)",
    "Amélie était merveilleuse — 10/10 ★",
    "ｆｕｌｌ width, İstanbul, ﬁne",
    "映画は最高だった 😀👩‍👩‍👧",
    "a </s> in the <mask> middle",
    "",
    "word " * 400,
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(BUNDLED / "tokenizer.json"))


@pytest.fixture(scope="module")
def model():
    return AutoModelForSequenceClassification.from_pretrained(BUNDLED, dtype=torch.float32).eval()


def test_texts_that_differ_only_in_form_share_a_side_of_the_split():
    for review in read_reviews()[::200]:
        variants = {review.text.upper(), f"  {review.text} !", review.text.replace(" ", "   ")}
        assert {split_of(text) for text in variants} == {split_of(review.text)}


def test_every_side_of_the_split_has_its_share():
    sides = [split_of(review.text) for review in read_reviews()]
    shares = {side: sides.count(side) / len(sides) for side in set(sides)}
    assert shares == pytest.approx({"train": 0.85, "validation": 0.05, "test": 0.10}, abs=0.01)


def test_the_bundled_files_are_small_and_hold_no_pickle():
    files = [file for file in BUNDLED.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 32 * MEGABYTE
    assert {file.suffix for file in files} <= {".json", ".md", ".safetensors"}
    for file in files:
        assert not file.read_bytes().startswith((b"\x80", b"PK")), f"{file} may be a pickle"


def test_the_bundled_weights_are_fp16_and_roberta_s():
    config = json.loads((BUNDLED / "config.json").read_text())
    assert config["architectures"] == ["RobertaForSequenceClassification"]
    assert config["dtype"] == "float16"
    assert config["hidden_act"] == "gelu"  # other activations are not fused by ONNX Runtime
    assert config["max_position_embeddings"] == 258
    assert config["id2label"] == {"0": "negative", "1": "positive"}


@pytest.mark.parametrize("text", TEXTS)
def test_both_tokenizers_give_the_same_ids(text, tokenizer):
    transformers_ids = AutoTokenizer.from_pretrained(BUNDLED)(text, truncation=True)["input_ids"]
    (ids,) = encode(tokenizer, [text])
    assert cut(ids, 256).tolist() == transformers_ids
    assert (transformers_ids[0], transformers_ids[-1]) == (START, END)
    assert len(transformers_ids) <= 256


def test_the_tokenizer_folds_what_the_sources_write_differently(tokenizer):
    ours, theirs = encode(
        tokenizer, ["Dull, but WELL shot (mostly).", "dull , but well shot ( mostly ) ."]
    )
    assert tokenizer.id_to_token(int(ours[1])) == "Ġdull"
    assert ours.tolist()[:6] == theirs.tolist()[:6]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "A wonderful film. Superb acting, a moving story: one of the best of the year.",
            "positive",
        ),
        ("Terrible. A boring, stupid waste of time with awful acting and no plot.", "negative"),
    ],
)
def test_the_bundled_model_gets_an_obvious_review_right(text, expected, tokenizer, model):
    probabilities = predict(model, tuple(encode(tokenizer, [text])), 256)
    assert model.config.id2label[int(probabilities[0].argmax())] == expected
    assert probabilities[0].max() > 0.8


def test_padding_does_not_change_a_prediction(tokenizer, model):
    short, long = encode(tokenizer, ["a fine film .", "a " + "very " * 60 + "bad film ."])
    ids, attended = pad([short, long])
    with torch.inference_mode():
        together = model(torch.from_numpy(ids), torch.from_numpy(attended)).logits[0]
    alone = predict(model, (short,), 256)[0]
    np.testing.assert_allclose(together.softmax(-1).numpy(), alone, atol=1e-5)


def test_accuracy_on_held_out_sentences_agrees_with_the_card(tokenizer, model):
    card = json.loads((BUNDLED / "metrics.json").read_text())["test"]["rotten_tomatoes"]
    sample = label(tokenizer, held_out("rotten_tomatoes")[::4][:200])
    accuracy = (predict(model, sample.ids, 256).argmax(axis=1) == sample.labels).mean()
    # Three standard errors of a sample of 200.
    assert accuracy == pytest.approx(card["accuracy"], abs=0.09)
    assert card["accuracy"] > 0.7


def test_the_card_shows_the_figures_of_the_metrics():
    card = (BUNDLED / "README.md").read_text()
    for source, figures in json.loads((BUNDLED / "metrics.json").read_text())["test"].items():
        again = score(source, figures["correct"], figures["n"])
        assert f"| {source} | {again.accuracy:.1%} | {again.low:.1%} to {again.high:.1%} |" in card


def test_a_score_s_interval_is_wilson_s():
    # Newcombe 1998, table I, case 81/263.
    assert (score("x", 81, 263).low, score("x", 81, 263).high) == pytest.approx(
        (0.2553, 0.3662), abs=1e-4
    )


def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing():
    rates = [rate_factor(step, total_steps=100, warmup=0.1) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[100] == 0.0
    assert all(a >= b for a, b in pairwise(rates[10:]))


@pytest.mark.parametrize(
    ("length", "limit", "start", "expected"),
    [
        (5, 8, 0, [0, 10, 11, 12, 2]),
        (8, 8, 3, [0, 10, 11, 12, 13, 14, 15, 2]),
        (9, 5, 0, [0, 10, 11, 12, 2]),
        (9, 5, 4, [0, 14, 15, 16, 2]),
    ],
)
def test_a_cut_text_keeps_its_ends(length, limit, start, expected):
    ids = np.array([START, *range(10, 8 + length), END])
    assert cut(ids, limit, start).tolist() == expected


def test_masking_hides_about_the_share_asked_for_and_no_special_token():
    rows = np.random.default_rng(1).integers(0, 1000, size=(200, 128))
    hidden, chosen = mask(rows, 1000, 0.25, np.random.default_rng(2))
    assert chosen.mean() == pytest.approx(0.25, abs=0.01)
    assert not chosen[rows <= MASK].any()
    assert (hidden[~chosen] == rows[~chosen]).all()
    assert (hidden[chosen] == MASK).mean() == pytest.approx(0.8, abs=0.02)


def test_packing_loses_no_token():
    rows = pack([np.arange(10, 17), np.arange(20, 29)], Pretraining(row_tokens=5))
    assert rows.shape == (4, 5)
    assert rows.ravel().tolist() == [*range(10, 17), *range(20, 29), PAD, PAD, PAD, PAD]


@pytest.mark.thorough
def test_a_tiny_training_writes_a_loadable_folder(tmp_path: Path):
    out = tmp_path / "model"
    command = ["--out", str(out), "--limit", "4", "--mlm-epochs", "0.5", "--epochs", "1"]
    trained = CliRunner().invoke(main, command, catch_exceptions=False)
    assert trained.exit_code == 0, trained.output
    assert AutoTokenizer.from_pretrained(out)("a film").input_ids[0] == START
    AutoModelForSequenceClassification.from_pretrained(out, dtype=torch.float32)
    again = CliRunner().invoke(main, ["--evaluate", str(out), "--limit", "4"])
    assert again.output.splitlines()[-2:] == trained.output.splitlines()[-2:]
    assert "pre-training: taken from" in CliRunner().invoke(main, command).output


def test_evaluating_a_folder_without_a_model_names_the_remedy(tmp_path: Path):
    result = CliRunner().invoke(main, ["--evaluate", str(tmp_path)])
    assert result.exit_code == 2
    assert "holds no model.safetensors" in result.output
