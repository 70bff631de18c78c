# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "bentoml==1.4.39",
#     "numpy==2.4.6",
#     "onnxruntime==1.31.1",
#     "tokenizers==0.22.2",
# ]
# [tool.optbuild]
# settings = [{threads = "cpus"}]
# ///
"""BentoML as its tutorial ("Hello world") has it, with this model in the place of its pipeline.

One worker, no batching, no tuning: where a newcomer begins. The model itself may use every CPU.
BentoML at its best is what the toolkit's own variants are.
"""

import os
import sys

import bentoml
from pydantic import BaseModel

from loadtests.peers._model import Model
from loadtests.peers._settings import HOST, port, scratch, setting


class Prediction(BaseModel):
    """The most probable label of a text and its probability."""

    label: str
    score: float


@bentoml.service(resources={"cpu": "2"}, traffic={"timeout": 30})
class Classifier:
    """Text classification over HTTP."""

    def __init__(self) -> None:
        self.model = Model(setting("threads"))

    @bentoml.api  # type: ignore[untyped-decorator]  # bentoml is read without types
    def predict(self, texts: list[str]) -> list[Prediction]:
        """The most probable label of each text."""
        return [Prediction(**item) for item in self.model.predict(texts)]


if __name__ == "__main__":
    # Usage statistics would be sent during the measurement.
    os.environ |= {"BENTOML_HOME": str(scratch()), "BENTOML_DO_NOT_TRACK": "True"}
    options = ["--host", HOST, "--port", str(port())]
    service = "loadtests.peers.bentoml:Classifier"
    os.execv(sys.executable, [sys.executable, "-P", "-m", "bentoml", "serve", service, *options])
