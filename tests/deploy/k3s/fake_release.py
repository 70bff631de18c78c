"""Releases for a fake cluster; what becomes of their pods is in the image's name."""

from collections.abc import Callable

from deploy.manifests.release import Release
from variants._spec import compose

Make = Callable[..., Release]


def release(spec: str = "onnx", image: str = "sentiment:1", hpa_max: int | None = None) -> Release:
    return Release("classifier", image, compose(spec), hpa_max)
