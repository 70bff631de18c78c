"""The Bento of a variant: from the store if it is there, else from a process of its own."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bentofiles
from bentofiles.isa import cpu_flags
from builder import digests
from builder.check import Check, Limits, require
from builder.files import locked, write_json
from builder.golden import golden_key
from builder.isa import int8_target, require_bf16
from builder.machine import library_versions
from builder.model import Model, resolve
from builder.paths import bentoml_home, cache_dir
from deploy.child import Child
from loadtests import _texts
from variants._errors import OptbuildError
from variants._layer import Variant
from variants._spec import bento_variant

LIBRARIES = (
    *("bentoml", "numpy", "onnx", "onnxruntime", "optimum", "optimum-onnx"),
    *("tokenizers", "torch", "transformers"),
)

# The modules of this package that decide what is built and how it is checked.
CODE = (
    "answers.py",
    "asking.py",
    "bento.py",
    "build_process.py",
    "calibration.py",
    "check.py",
    "batch_invariance.py",
    "export.py",
    "fixed_scales.py",
    "golden.py",
    "int8.py",
    "isa.py",
    "prepare.py",
    "sensitivity.py",
    "served.py",
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Build:
    """A Bento in the store and what is known of it."""

    variant: Variant
    model: Model
    tag: str
    path: Path
    check: Check
    details: Mapping[str, Any]  # the Bento's `variant.json`
    cached: bool
    seconds: float


@dataclass(frozen=True)
class Request:
    """What to build and how strictly to check it; `model` is what `--model` was given.

    `calibration` and the limits shape an int8 graph; any other they leave as it is.
    """

    model: str | None = None
    golden: Path | None = None
    limits: Limits = field(default_factory=Limits)
    force: bool = False
    calibration: Path | None = None


def build(variant: Variant, request: Request, say: Say) -> Build:
    """The Bento of a variant, built unless the store has it; `say` is told of each stage.

    Variants that differ only in their deployment layers share one Bento.
    Raises OptbuildError if it cannot be built, and with exit code 4 if its check fails.
    """
    started_s = time.monotonic()
    model = resolve(request.model)
    inside = bento_variant(variant)
    require_bf16(inside, cpu_flags())
    key = _key(inside, model, request)
    record = cache_dir() / "builds" / f"{key}.json"
    with locked(cache_dir() / "locks" / f"build-{key}.lock"):  # whoever waits finds it built
        found = None if request.force else _find(record)
        cached = found is not None
        if found is None:
            found = _run(inside, request, say)
            write_json(record, found)
        # One Bento may have been checked on several golden sets: it keeps the one asked for last.
        write_json(_bento_path(found) / "check.json", found["check"])
    result = Check.from_json(found["check"])
    if model.kind != "synthetic":
        require(result, request.limits, variant.spec)
    path = _bento_path(found)
    details = json.loads((path / "src" / "variant.json").read_text(encoding="utf-8"))
    tag = f"{found['name']}:{found['version']}"
    elapsed_s = time.monotonic() - started_s
    return Build(variant, model, tag, path, result, details, cached, elapsed_s)


def _key(variant: Variant, model: Model, request: Request) -> str:
    """Digest of everything that decides the Bento and its check."""
    shaped_by = None
    if variant.quantization is not None:
        own = request.calibration
        texts = golden_key(model, None) if own is None else digests.of_file(own)
        limits = request.limits
        # If it fails these, operators stay in fp32.
        shaped_by = [limits.accuracy_drop, limits.flip_rate, texts]
    here, travelling = Path(__file__).parent, Path(next(iter(bentofiles.__path__)))
    code = {name: here / name for name in CODE} | {"_texts.py": Path(_texts.__file__)}
    code |= {f"bentofiles/{path.name}": path for path in travelling.glob("*.py")}
    target = int8_target(cpu_flags())
    return digests.of_json(
        {
            "variant": variant.digest,
            "model": [model.name, model.digest],
            "golden": golden_key(model, request.golden),
            "int8": shaped_by,
            "isa": [target.isa, target.reduce_range],
            "libraries": library_versions(LIBRARIES),
            "code": digests.of_files(code),
        }
    )[:24]


def _find(record: Path) -> dict[str, Any] | None:
    """The record of a finished build, if its Bento is still in the store."""
    try:
        found: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found if (_bento_path(found) / "bento.yaml").exists() else None


def _bento_path(found: Mapping[str, Any]) -> Path:
    return bentoml_home() / "bentos" / str(found["name"]) / str(found["version"])


def _run(variant: Variant, request: Request, say: Say) -> dict[str, Any]:
    """Build in a process of its own; its chatter goes to a log file."""
    log = cache_dir() / "logs" / f"build-{variant.digest[:12]}.log"
    question = {
        "spec": variant.spec,
        "model": request.model,
        "golden": str(request.golden) if request.golden else None,
        "calibration": str(request.calibration) if request.calibration else None,
        "limits": vars(request.limits),
    }
    with Child(["-m", "builder.build_process"], log, pipe=True) as child:
        child.send(json.dumps(question))
        for line in child.lines():
            answer = json.loads(line)
            if "stage" in answer:
                say(answer["stage"])
            elif "error" in answer:
                raise OptbuildError(answer["error"], answer["exit_code"])
            else:
                result: dict[str, Any] = answer["result"]
                return result
    raise OptbuildError(f"the build of {variant.spec} died; its last words are in {log}", 1)
