"""What a layer is, and the settings that a set of layers adds up to."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from variants._quantity import Unit

Level = Literal["runtime", "service", "deployment"]
LEVELS: tuple[Level, ...] = ("runtime", "service", "deployment")


@dataclass(frozen=True)
class Parameter:
    """One number that a layer takes, with the range in which it makes sense, or one of a few words.

    `default` is None where the best value depends on the machine and is found when serving.
    `choices`: what a spec may say instead of a number; the value is then the word's position.
    `always_spelled`: the canonical spec shows the value even if it is the default, because the
    layer's name alone would say too little.
    """

    name: str
    help: str
    default: float | None
    minimum: float
    maximum: float
    unit: Unit = "count"
    always_spelled: bool = False
    choices: tuple[str, ...] = ()


def choice(name: str, help: str, choices: tuple[str, ...]) -> Parameter:
    """A parameter that is one of a few words; the first is the default."""
    return Parameter(name, help, 0, 0, len(choices) - 1, choices=choices)


@dataclass(frozen=True)
class Variant:
    """Frozen settings of one way to serve a model; `Variant()` is the baseline.

    `layers` is the canonical spelling of each layer and takes no part in the digest: two specs
    that lead to the same settings are the same variant.
    """

    layers: tuple[str, ...] = ()
    runtime: Literal["torch", "onnx"] = "torch"
    # Activations' scales from each batch (int8), or from calibration texts (int8-static).
    quantization: Literal["int8", "int8-static"] | None = None
    precision: Literal["bf16"] | None = None  # of PyTorch; None: fp32
    threads: int | Literal["auto"] | None = None  # None: whatever the library does by itself
    max_batch_size: int | None = None  # None: no batching across requests
    max_batch_wait_s: float | None = None
    lean: bool = False  # /predict is answered in front of BentoML's own request path
    lanes: int | Literal["auto"] | None = None  # threads of a lean worker that run the model
    max_batch_tokens: int | None = None  # of a lean worker; None: every request runs alone
    deadline_s: float | None = None  # of a lean worker: what cannot be answered by then is refused
    workers: int = 1
    # Of the deployment: they decide how a Bento is run, not what is in it.
    replicas: int = 1
    cpu_limit: float | None = None  # cores of a replica
    memory_limit_bytes: int | None = None  # of a replica

    @property
    def spec(self) -> str:
        """Canonical spec, e.g. `onnx+batching=16`; `baseline` where there is no layer."""
        return "+".join(self.layers) or "baseline"

    def settings(self) -> dict[str, str | int | float | bool | None]:
        """Everything that decides how the model is served, JSON-ready.

        Of the deployment only what is not at its default: what a Bento holds, and its digest,
        do not depend on how it could be deployed. Nor do they on a layer that came later.
        """
        return {
            key: value
            for key, value in asdict(self).items()
            if key != "layers" and not (key in _LEFT_OUT and value == _LEFT_OUT[key])
        }

    @property
    def digest(self) -> str:
        """Hex sha256 of the settings."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()


_LEFT_OUT = {"replicas": 1, "cpu_limit": None, "memory_limit_bytes": None, "precision": None}

Values = Mapping[str, float | None]


@dataclass(frozen=True)
class Layer:
    """One optimization. Its module's name is the user's name for it.

    `apply` adds the layer to a variant, given a value for each parameter. `slot` names what only
    one layer of a variant can be (two runtimes conflict); `excludes` names single layers. The
    first parameter is the one that `layer=value` sets.
    """

    level: Level
    summary: str
    apply: Callable[[Variant, Values], Variant]
    parameters: tuple[Parameter, ...] = ()
    needs: tuple[str, ...] = ()
    slot: str | None = None
    excludes: tuple[str, ...] = ()
