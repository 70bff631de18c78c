"""Where weights come from: bundled, a local folder, a hub id, or a shape with random weights.

Resolving a model is cheap and imports no torch; `builder.prepare` makes it ready for building.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from builder import digests
from builder.machine import version_of
from builder.paths import BUNDLED_MODEL
from variants._errors import OptbuildError

Kind = Literal["bundled", "folder", "hub", "synthetic"]

# The architectures whose fused graph this toolkit knows how to check.
ARCHITECTURES = ("bert", "roberta", "xlm-roberta")
SYNTHETIC_SEED = 20260420


@dataclass(frozen=True)
class Shape:
    """Sizes of a RoBERTa encoder."""

    layers: int
    width: int
    heads: int
    vocabulary: int = 50_265


SHAPES = {
    "roberta-base": Shape(layers=12, width=768, heads=12),
    "roberta-large": Shape(layers=24, width=1024, heads=16),
    "distilroberta-base": Shape(layers=6, width=768, heads=12),
    "roberta-tiny": Shape(layers=2, width=128, heads=2, vocabulary=16_384),
}


@dataclass(frozen=True)
class Model:
    """A model before anything is built of it.

    `folder` is in Hugging Face layout and None for a shape, whose weights are made on demand.
    """

    name: str
    kind: Kind
    digest: str
    folder: Path | None
    shape: Shape | None = None

    @property
    def slug(self) -> str:
        """The name as a Bento's tag may contain it."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") or "model"


@cache
def resolve(text: str | None) -> Model:
    """The model that `--model` names; raises OptbuildError where there is none.

    Once in a process: large weights take seconds to hash, and a hub may change meanwhile.
    """
    if text is None:
        return _bundled()
    if text.startswith("synthetic:"):
        return _synthetic(text.removeprefix("synthetic:"))
    path = Path(text).expanduser()
    if path.is_dir():
        return _from_folder(path.resolve().name, "folder", path.resolve())
    if path.exists():
        raise OptbuildError(f"{text} is a file: give the folder that holds config.json")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", text):
        return _from_folder(text, "hub", _download(text))
    raise OptbuildError(
        f"no model '{text}': give a folder, a hub id such as org/name, or synthetic:roberta-base"
    )


def _bundled() -> Model:
    about = {"README.md", "metrics.json"}  # they say how good it is, not what it answers
    files = {path.name: path for path in BUNDLED_MODEL.iterdir() if path.name not in about}
    return Model("bundled", "bundled", digests.of_files(files), BUNDLED_MODEL)


def _synthetic(name: str) -> Model:
    if name not in SHAPES:
        raise OptbuildError(f"unknown shape 'synthetic:{name}': known are {', '.join(SHAPES)}")
    shape = SHAPES[name]
    tokenizer = digests.of_file(BUNDLED_MODEL / "tokenizer.json")
    digest = digests.of_json([vars(shape), SYNTHETIC_SEED, version_of("torch"), tokenizer])
    return Model(f"synthetic:{name}", "synthetic", digest, None, shape)


def _from_folder(name: str, kind: Kind, folder: Path) -> Model:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptbuildError(f"{folder} is no model folder: config.json: {error}") from error
    if not isinstance(config, dict):
        raise OptbuildError(f"{folder} is no model folder: config.json holds no object")
    architecture = next(iter(config.get("architectures") or []), "unknown")
    if config.get("model_type") not in ARCHITECTURES or not architecture.endswith(
        "ForSequenceClassification"
    ):
        raise OptbuildError(
            f"{name} is a {architecture}: only sequence classifiers of the types "
            f"{', '.join(ARCHITECTURES)} can be built"
        )
    if config.get("problem_type") == "multi_label_classification":
        raise OptbuildError(f"{name} gives several labels to a text: only one label is supported")
    if len(config.get("id2label") or "two") < 2 or config.get("num_labels", 2) < 2:
        raise OptbuildError(f"{name} has one label, it is a regression: two or more are needed")
    weights = [*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]
    if not weights:
        raise OptbuildError(f"{folder} holds no weights: put model.safetensors beside config.json")
    files = {path.name: path for path in (*weights, *folder.glob("*.json"), *folder.glob("*.txt"))}
    return Model(name, kind, digests.of_files(files), folder)


def _download(repository: str) -> Path:
    # Imported here: it costs half a second, and most calls download nothing.
    import huggingface_hub

    patterns = ["*.json", "*.txt", "*.model"]
    try:
        folder = huggingface_hub.snapshot_download(
            repository, allow_patterns=[*patterns, "model*.safetensors"]
        )
        if not list(Path(folder).glob("*.safetensors")):
            huggingface_hub.snapshot_download(
                repository, allow_patterns=[*patterns, "pytorch_model*.bin"]
            )
    except (OSError, ValueError) as error:  # HTTP, DNS and missing-repository errors are OSErrors
        reason = str(error).strip().splitlines()[0]
        raise OptbuildError(
            f"cannot download '{repository}' ({reason}): check the name and the network, "
            "or give a local folder"
        ) from error
    return Path(folder)
