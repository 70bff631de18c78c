import json
from pathlib import Path

import pytest

from builder.export import fused, require_fused
from builder.prepare import Prepared
from variants._errors import OptbuildError


def test_a_layer_that_was_not_fused_is_named() -> None:
    whole = {"Attention": 2, "SkipLayerNormalization": 4, "BiasGelu": 2}
    require_fused(whole, layers=2)
    with pytest.raises(OptbuildError, match="with 0 BiasGelu instead of 2"):
        require_fused(whole | {"BiasGelu": 0}, layers=2)


def test_an_activation_that_cannot_be_fused_is_said_before_the_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTBUILD_CACHE", str(tmp_path / "cache"))
    (tmp_path / "config.json").write_text(json.dumps({"hidden_act": "relu"}))
    prepared = Prepared(tmp_path, 2, ("negative", "positive"), 512, 1, "<pad>")
    with pytest.raises(OptbuildError, match="not this model's relu: leave out onnx"):
        fused(prepared, "digest")
