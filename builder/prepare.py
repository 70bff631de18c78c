"""A model made ready for building: weights as safetensors, a fast tokenizer, the facts of both."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from builder import artifacts, digests
from builder.machine import library_versions
from builder.model import SYNTHETIC_SEED, Model
from builder.paths import BUNDLED_MODEL
from variants._errors import OptbuildError

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
MOST_TOKENS = 512


@dataclass(frozen=True)
class Prepared:
    """A folder in Hugging Face layout with all of FILES, and what serving must know of it."""

    folder: Path
    layers: int
    labels: tuple[str, ...]
    max_tokens: int
    pad_id: int
    pad_token: str

    def model_facts(self) -> dict[str, object]:
        """What `variant.json` says of the model."""
        return {
            "labels": list(self.labels),
            "max_tokens": self.max_tokens,
            "pad_id": self.pad_id,
            "pad_token": self.pad_token,
        }


def prepare(model: Model) -> Prepared:
    """The folder to build from, and what transformers knows of it."""
    folder = _folder(model)
    recipe = _recipe(model) | {"libraries": library_versions(("tokenizers", "transformers"))}
    # transformers and torch take 5 s to import, and most builds need nothing else of them.
    facts = artifacts.make("facts", recipe, lambda _: _facts(folder)).facts
    return Prepared(folder, **{**facts, "labels": tuple(facts["labels"])})


def _folder(model: Model) -> Path:
    """The model's own if it is complete, else one in the cache."""
    if model.folder is not None and all((model.folder / name).exists() for name in FILES):
        return model.folder
    make = _normalize if model.folder is not None else _randomize
    return artifacts.make("model", _recipe(model), lambda target: make(model, target)).path


def _recipe(model: Model) -> dict[str, object]:
    return {"digest": model.digest, "code": digests.of_file(Path(__file__))}


def _facts(folder: Path) -> dict[str, Any]:
    # By transformers, not by hand: a saved configuration leaves out what is the default.
    from transformers import AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    # RoBERTa numbers positions from pad_id + 1 on, so two of its positions hold no token.
    reserved = 0 if config.model_type == "bert" else config.pad_token_id + 1
    most_tokens = min(
        tokenizer.model_max_length, config.max_position_embeddings - reserved, MOST_TOKENS
    )
    return {
        "layers": config.num_hidden_layers,
        "labels": [config.id2label[index] for index in sorted(config.id2label)],
        "max_tokens": most_tokens,
        "pad_id": tokenizer.pad_token_id,
        "pad_token": tokenizer.pad_token,
    }


def _normalize(model: Model, target: Path) -> dict[str, object]:
    """Save a model as transformers reads it, so that what follows has one layout to know."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model.folder, use_fast=True)
        network = AutoModelForSequenceClassification.from_pretrained(model.folder)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise OptbuildError(f"transformers cannot read {model.folder}: {reason}") from error
    tokenizer.save_pretrained(target)
    network.save_pretrained(target, safe_serialization=True)
    return {"source": model.name}


def _randomize(model: Model, target: Path) -> dict[str, object]:
    """Seeded random weights in the model's shape, with the bundled tokenizer."""
    import torch
    from transformers import AutoTokenizer, RobertaConfig, RobertaForSequenceClassification

    shape = model.shape
    assert shape is not None
    torch.manual_seed(SYNTHETIC_SEED)
    config = RobertaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
        max_position_embeddings=MOST_TOKENS + 2,
        type_vocab_size=1,
        id2label={0: "negative", 1: "positive"},
        label2id={"negative": 0, "positive": 1},
    )
    network = RobertaForSequenceClassification(config)
    network.half().save_pretrained(target, safe_serialization=True)
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED_MODEL, model_max_length=MOST_TOKENS)
    tokenizer.save_pretrained(target)
    return {"shape": asdict(shape), "seed": SYNTHETIC_SEED}
