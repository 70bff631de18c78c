"""What a Bento's predictor answers to the golden set, computed once for what decides it.

Layers of the service, such as workers, leave the predictor as it is: its answers are then those of
the variant before.
"""

from pathlib import Path
from typing import Any

from bentofiles.isa import cpu_flags
from builder import artifacts, batch_invariance, check, digests
from builder.artifacts import Artifact
from builder.batch_invariance import BatchInvariance
from builder.golden import Golden
from builder.isa import int8_target
from builder.machine import library_versions
from builder.model import Model

LIBRARIES = ("numpy", "onnxruntime", "tokenizers", "torch", "transformers")


def to_golden(
    sources: Path, model: Model, graph: Artifact | None, golden: Golden
) -> check.Probabilities:
    """`check.predict` of a Bento's sources."""
    from bentofiles.settings import read_variant

    recipe = _recipe(sources, model, graph, golden)
    recipe["batch"] = read_variant(sources).settings.max_batch_size or 1
    return check.kept("answers", recipe, sources, golden.texts)


def batch_invariance_of(
    sources: Path, model: Model, graph: Artifact | None, golden: Golden
) -> BatchInvariance:
    """`batch_invariance.of_bento` of a Bento's sources."""
    recipe = _recipe(sources, model, graph, golden)
    made = artifacts.make(
        "batch_invariance",
        recipe,
        lambda _: batch_invariance.of_bento(sources, golden.texts).to_json(),
    )
    return BatchInvariance.from_json(made.facts)


def _recipe(sources: Path, model: Model, graph: Artifact | None, golden: Golden) -> dict[str, Any]:
    from bentofiles.predictor import resolve_threads
    from bentofiles.settings import read_variant

    settings = read_variant(sources).settings
    predictors = {path.name: path for path in (sources / "bentofiles").glob("*predictor.py")}
    judges = {
        "check.py": Path(check.__file__),
        "batch_invariance.py": Path(batch_invariance.__file__),
    }
    return {
        "model": model.digest,
        "graph": graph and graph.content_digest,
        "precision": settings.precision,
        "threads": resolve_threads(settings),
        "isa": int8_target(cpu_flags()).isa,
        "golden": golden.digest,
        "libraries": library_versions(LIBRARIES),
        "code": digests.of_files(predictors | judges),
    }
