"""Models as people have them: other architectures, older layouts, default labels."""

import json
from pathlib import Path

import pytest

from builder.build import Build, Request, build
from builder.paths import BUNDLED_MODEL
from variants._spec import compose

pytestmark = pytest.mark.slow

SIZES = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "initializer_range": 0.2,
}


def build_onnx(folder: Path, golden: Path | None = None) -> Build:
    return build(compose("onnx"), Request(str(folder), golden), lambda stage: None)


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    path = tmp_path / "golden.csv"
    path.write_text("text,label\na fine film,LABEL_1\na bad film with much more to say,LABEL_0\n")
    return path


def test_a_bert_with_the_default_labels(home: Path, tmp_path: Path, golden: Path) -> None:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path / "a bert"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "fine", "bad", "film", "with"]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(words), **SIZES)
    BertForSequenceClassification(config).save_pretrained(folder)
    assert "id2label" not in json.loads((folder / "config.json").read_text())

    made = build_onnx(folder, golden)
    assert made.details["model"]["labels"] == ["LABEL_0", "LABEL_1"]
    assert made.details["model"]["pad_id"] == 0
    operators = made.details["artifact"]["operators"]
    assert (operators["Attention"], operators["EmbedLayerNormalization"]) == (2, 1)
    assert made.check.label_flips == 0
    assert made.check.largest_difference < 1e-4
    assert made.check.accuracy is not None


def test_a_roberta_in_the_older_layout(home: Path, tmp_path: Path, golden: Path) -> None:
    import torch
    from transformers import RobertaConfig, RobertaForSequenceClassification

    folder = tmp_path / "roberta"
    folder.mkdir()
    bpe = json.loads((BUNDLED_MODEL / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(bpe["vocab"]))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in bpe["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges))
    torch.manual_seed(0)
    config = RobertaConfig(vocab_size=len(bpe["vocab"]), max_position_embeddings=66, **SIZES)
    network = RobertaForSequenceClassification(config)
    network.config.architectures = ["RobertaForSequenceClassification"]
    network.config.save_pretrained(folder)
    torch.save(network.state_dict(), folder / "pytorch_model.bin")

    made = build_onnx(folder, golden)
    assert made.details["model"]["max_tokens"] == 64
    assert made.details["model"]["pad_token"] == "<pad>"
    assert made.check.label_flips == 0
    assert made.check.largest_difference < 1e-4
