"""What `variant.json`, at the top of a Bento's sources, says of this Bento."""

import json
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """How this Bento serves its model; the fields are those of the toolkit's variant."""

    runtime: str
    quantization: str | None
    threads: int | str | None
    max_batch_size: int | None
    max_batch_wait_s: float | None
    workers: int
    lean: bool
    lanes: int | str | None
    max_batch_tokens: int | None
    deadline_s: float | None
    precision: str | None = None


@dataclass(frozen=True)
class ModelFacts:
    """What is needed of the model beside its files."""

    labels: tuple[str, ...]
    max_tokens: int
    pad_id: int
    pad_token: str


@dataclass(frozen=True)
class VariantFile:
    """`variant.json`, as far as serving reads it."""

    settings: Settings
    model: ModelFacts
    model_dir: Path
    isa: str | None = None  # that an int8 graph was built for


def read_variant(sources: Path = SOURCES) -> VariantFile:
    """Read `variant.json` of a Bento's source folder."""
    content = json.loads((sources / "variant.json").read_text(encoding="utf-8"))
    model = content["model"]
    return VariantFile(
        settings=Settings(**content["settings"]),
        model=ModelFacts(
            tuple(model["labels"]), model["max_tokens"], model["pad_id"], model["pad_token"]
        ),
        model_dir=sources / "model",
        isa=(content.get("artifact") or {}).get("isa"),
    )
