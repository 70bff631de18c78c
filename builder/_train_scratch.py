"""What a training keeps on the way, so that being stopped costs one stage at most."""

import copy
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from tokenizers import Tokenizer
from transformers import RobertaConfig, RobertaForMaskedLM, RobertaForSequenceClassification

from builder._train_mlm import pretrain
from builder._train_settings import Settings
from builder._train_tokens import Ids, save_tokenizer


@dataclass(frozen=True)
class Pretrained:
    """A pre-trained language model and the wall time it took."""

    model: RobertaForMaskedLM
    wall_s: float


def pretrained(
    config: RobertaConfig,
    texts: Sequence[Ids],
    settings: Settings,
    limit: int | None,
    scratch: Path,
    console: Console,
) -> Pretrained:
    """The language model kept in `scratch` if it is of equal settings, else a new one, kept."""
    folder = scratch / "pretrained"
    key = _key(settings, limit)
    facts = _read(folder / "stage.json")
    if facts.get("key") == key:
        console.print(f"pre-training: taken from {folder}")
        return Pretrained(RobertaForMaskedLM.from_pretrained(folder), facts["wall_s"])
    started_s = time.monotonic()
    torch.manual_seed(settings.seed)
    model = pretrain(config, texts, settings, console)
    wall_s = time.monotonic() - started_s
    (folder / "stage.json").unlink(missing_ok=True)
    model.save_pretrained(folder)
    # Written last: without it the weights beside it do not count as finished.
    (folder / "stage.json").write_text(json.dumps({"key": key, "wall_s": wall_s}))
    return Pretrained(model, wall_s)


def keep_best(
    model: RobertaForSequenceClassification, tokenizer: Tokenizer, settings: Settings, scratch: Path
) -> None:
    """Saves the model as fp16 safetensors with its tokenizer in `scratch`."""
    copy.deepcopy(model).half().save_pretrained(scratch / "best", safe_serialization=True)
    save_tokenizer(tokenizer, scratch / "best", settings.shape.max_tokens)


def publish(scratch: Path, out: Path) -> None:
    """Copies the files of the best checkpoint into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted((scratch / "best").iterdir()):
        (out / file.name).write_bytes(file.read_bytes())


def _key(settings: Settings, limit: int | None) -> dict[str, Any]:
    """What the pre-trained weights depend on, as it looks after a round trip through JSON."""
    return {
        "shape": asdict(settings.shape),
        "pretraining": asdict(settings.pretraining),
        "weight_decay": settings.weight_decay,
        "clip_norm": settings.clip_norm,
        "seed": settings.seed,
        "limit": limit,
    }


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text())) if file.is_file() else {}
