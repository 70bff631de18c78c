"""A variant as a Bento in BentoML's store."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bentofiles
from analysis.files import write_text
from builder import digests
from builder.artifacts import Artifact
from builder.export import GRAPH, WEIGHTS
from builder.files import locked, write_json
from builder.machine import library_versions
from builder.model import Model
from builder.paths import cache_dir
from builder.prepare import FILES, Prepared
from variants._layer import Variant

# What a Bento's code imports; nothing else travels.
REQUIREMENTS = {
    "torch": ("bentoml", "numpy", "tokenizers", "torch", "transformers"),
    "onnx": ("bentoml", "numpy", "onnxruntime", "tokenizers"),
}
PREDICTORS = {"torch": "torch_predictor.py", "onnx": "onnx_predictor.py"}
# Uvicorn, because `connection.py` builds on its insides, and its fast event loop and HTTP parser,
# which it takes where they are installed.
LEAN_REQUIREMENTS = ("httptools", "prometheus-client", "uvicorn", "uvloop")
MOST_NAME = 63  # characters of a tag's name


@dataclass(frozen=True)
class Staged:
    """Sources of a Bento, complete but not yet built."""

    sources: Path
    name: str
    version: str
    requirements: tuple[str, ...]
    labels: Mapping[str, str]


def bento_name(model: Model, variant: Variant) -> str:
    """Name from model and spec in the characters that a tag may have."""
    spec = variant.spec.replace("+", "-").replace("=", "-").replace(":", "-").replace(",", "-")
    name = f"{model.slug}-{spec}"
    if len(name) <= MOST_NAME:
        return name
    return f"{name[: MOST_NAME - 9]}-{digests.of_json(name)[:8]}"


def stage(
    folder: Path, variant: Variant, model: Model, prepared: Prepared, graph: Artifact | None
) -> Staged:
    """Fill `folder` with a Bento's sources: code, model files and `variant.json`."""
    code = folder / "bentofiles"
    code.mkdir(parents=True)
    others = {name for runtime, name in PREDICTORS.items() if runtime != variant.runtime}
    for path in sorted(Path(next(iter(bentofiles.__path__))).glob("*.py")):
        if path.name not in others:
            shutil.copy(path, code)
    files = [prepared.folder / name for name in FILES]
    if graph is not None:
        files = [prepared.folder / "tokenizer.json", graph.path / GRAPH, graph.path / WEIGHTS]
    (folder / "model").mkdir()
    for path in files:
        _link_or_copy(path, folder / "model" / path.name)
    needed = REQUIREMENTS[variant.runtime] + (LEAN_REQUIREMENTS if variant.lean else ())
    versions = library_versions(needed)
    requirements = tuple(f"{library}=={version}" for library, version in versions.items())
    write_json(
        folder / "variant.json",
        {
            "format": 1,
            "spec": variant.spec,
            "digest": variant.digest,
            "settings": variant.settings(),
            "model": {"name": model.name, "digest": model.digest, **prepared.model_facts()},
            "artifact": None if graph is None else dict(graph.facts),
            "requirements": list(requirements),
        },
    )
    return Staged(
        sources=folder,
        name=bento_name(model, variant),
        version=digests.of_folder(folder)[:16],
        requirements=requirements,
        labels={"variant": variant.digest[:16], "model": model.digest[:16], "spec": variant.spec},
    )


def build(staged: Staged, home: Path) -> Path:
    """Build the Bento into a BentoML home of its own and return its folder.

    One call per process: BentoML reads its home when it is imported, and keeps the first service
    module that it has imported. From here on `bentofiles` is the staged package.
    """
    os.environ["BENTOML_HOME"] = str(home)
    for name in [name for name in sys.modules if name.partition(".")[0] == "bentofiles"]:
        del sys.modules[name]
    import bentoml

    bento = bentoml.bentos.build(
        "bentofiles.service:Classifier",
        name=staged.name,
        version=staged.version,
        labels=dict(staged.labels),
        build_ctx=str(staged.sources),
        python={"packages": list(staged.requirements), "lock_packages": False},
    )
    return Path(bento.path)


def publish(bento: Path, home: Path) -> Path:
    """Move a finished Bento into the store of `home` and make it the latest.

    One of the same version makes way: it has the same sources, but may be damaged, or hold the
    check of another golden set.
    """
    name, version = bento.parent.name, bento.name
    target = home / "bentos" / name / version
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(cache_dir() / "locks" / "publish.lock"):
        if target.exists():
            target.rename(bento.with_name("replaced"))
        bento.rename(target)
    write_text(target.parent / "latest", version)
    return target


def _link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the file system has them: weights are large, and BentoML copies anyway."""
    try:
        target.hardlink_to(source.resolve())
    except OSError:
        shutil.copy(source, target)
