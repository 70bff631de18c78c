"""The service in every Bento; `variant.json` says how it serves."""

import sys
from typing import Any

import bentoml
from pydantic import BaseModel

from bentofiles.asgi import App
from bentofiles.contract import Contract
from bentofiles.lean import Desk, Lean, open_desk
from bentofiles.lifecycle import Roll, die_with_parent
from bentofiles.predictor import load_predictor
from bentofiles.settings import Settings, read_variant

VARIANT = read_variant()
DESK = Desk(VARIANT.model.labels)
if VARIANT.settings.lean:
    from bentofiles.connection import use_connections  # httptools is in lean Bentos only

    use_connections()
else:
    # Uvicorn takes these wherever they are installed. Only the layer that brings them may have
    # them, or a variant would depend on what else stands in its environment.
    sys.modules["uvloop"] = sys.modules["httptools"] = None  # type: ignore[assignment]  # not found
STUCK_S = 300.0  # 64 reviews in one pass of a large model on half a CPU take a minute
WARM_UP = ["A film.", "A slow, warm and rather long film about a summer by the sea. " * 4]


class Prediction(BaseModel):
    """The most probable label of a text and its probability."""

    label: str
    score: float


def api_options(settings: Settings) -> dict[str, Any]:
    """Arguments of `bentoml.api` for a variant."""
    if settings.max_batch_size is None or settings.max_batch_wait_s is None:
        return {}
    return {
        "batchable": True,
        "max_batch_size": settings.max_batch_size,
        "max_latency_ms": round(settings.max_batch_wait_s * 1000),
    }


def service_options(settings: Settings) -> dict[str, Any]:
    """Arguments of `bentoml.service` for a variant."""
    options: dict[str, Any] = {"workers": settings.workers, "traffic": {"timeout": 30}}
    if settings.lean:
        options |= {
            "service_class": LeanService,
            "metrics": {"enabled": False},
            "logging": {"access": {"enabled": False}},
        }
    return options


class LeanService(bentoml.Service):  # type: ignore[misc]  # bentoml is read without types
    """Has `/predict` answered in front of all that BentoML does with a request.

    Its middleware (errors, tracing, a task and a timer of its time-out) takes longer than a
    request's own way to the model, and cannot be left out by configuration.
    """

    def to_asgi(self, is_main: bool = True) -> App:
        """What the server runs."""
        return Lean(super().to_asgi(is_main), DESK)


@bentoml.service(**service_options(VARIANT.settings))
class Classifier:
    """Text classification over HTTP."""

    def __init__(self) -> None:
        die_with_parent()
        self.predictor = load_predictor(VARIANT)
        for text in WARM_UP:
            self.predictor.probabilities([text])
        if VARIANT.settings.lean:
            open_desk(DESK, VARIANT, self.predictor)
        self.roll = Roll(VARIANT.settings.workers)
        self.roll.sign()

    def __is_ready__(self) -> bool:
        """Answer of `/readyz`: every worker has loaded and warmed up, and gets on.

        Of several workers, a probe reaches any: one that finds itself stuck tells the others.
        """
        self.roll.keep(getting_on=not DESK.stuck(STUCK_S))
        return self.roll.complete()

    def __is_alive__(self) -> bool:
        """Answer of `/livez`: false where only a restart of this worker helps."""
        return not DESK.stuck(STUCK_S)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]  # bentoml is read without types
    def leave(self) -> None:
        """Stop counting as ready."""
        self.roll.leave()
        if DESK.lanes is not None:
            DESK.lanes.close()

    @bentoml.api(**api_options(VARIANT.settings))  # type: ignore[untyped-decorator]  # likewise
    def predict(self, texts: list[str]) -> list[Prediction]:
        """The most probable label of each text, in the order of the texts."""
        labels = VARIANT.model.labels
        rows = self.predictor.probabilities(texts)
        return [
            Prediction(label=labels[best], score=float(row[best]))
            for row, best in zip(rows, rows.argmax(axis=1), strict=True)
        ]


if not VARIANT.settings.lean:
    # `bentoml.service` has made a Service of the class, which the type checker cannot know.
    Classifier.add_asgi_middleware(Contract)  # type: ignore[attr-defined]
