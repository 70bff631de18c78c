from pathlib import Path

import pytest

from builder.build import Request
from builder.build_all import build_all
from variants._spec import compose

TINY = "synthetic:roberta-tiny"


@pytest.mark.slow
@pytest.mark.parametrize(("count", "warns"), [(1, True), (99, True), (100, False)])
def test_few_texts_to_calibrate_with_are_told_once_for_all_variants(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], count: int, warns: bool
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(f"a film {number}" for number in range(count)))
    specs = ["onnx", "onnx+quantized=static", "onnx+quantized=static+batching"]
    request = Request(model=TINY, calibration=texts)
    for _ in range(2):  # built, and found in the store
        assert len(list(build_all([compose(spec) for spec in specs], request))) == 3
        warnings = [line for line in capfd.readouterr().err.splitlines() if "warning" in line]
        assert len(warnings) == warns
        assert not warns or f"its ranges from {count} texts only" in warnings[0]
