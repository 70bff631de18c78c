import pytest

from builder import budget as module
from builder.budget import budget
from variants._spec import compose


@pytest.mark.parametrize(
    ("spec", "said", "warns"),
    [
        ("onnx+threads", "1 worker x 1 lane x 2 intra-op, not spinning: 2 on 2 CPUs", False),
        ("onnx+threads+workers=2", "2 workers x 1 lane x 1 intra-op", False),
        ("onnx+threads=8+workers=8", "8 workers x 1 lane x 8 intra-op, not spinning: 64 on", True),
        ("onnx", "4 intra-op, the library's own choice, spinning: 4 on 2 CPUs", True),
        ("baseline", "4 intra-op, the library's own choice, not spinning", True),
        (
            "onnx+lean+microbatch",
            "1 worker x 2 lanes x 1 intra-op "
            "(up to 2 for a request that finds the others idle), not",
            False,
        ),
        ("onnx+lean+microbatch:lanes=3", "3 lanes", True),
        ("onnx+workers=2+limits:cpu=4", "2 workers x 1 lane x 2 intra-op", False),
        ("onnx+lean+microbatch+limits:cpu=8", "8 lanes x 1 intra-op (up to 4 for a request", False),
        ("lean+microbatch", "2 lanes x 1 intra-op, not", False),
        ("onnx+limits:cpu=500m", "1 intra-op, not spinning: 1 on 0.5 CPUs of its limit", False),
    ],
)
def test_the_budget_on_two_of_four_cores(
    monkeypatch: pytest.MonkeyPatch, spec: str, said: str, warns: bool
) -> None:
    monkeypatch.setattr(module, "cpus", lambda: 2)
    monkeypatch.setattr("bentofiles.predictor.cpus", lambda: 2)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    lines = budget(compose(spec), {}).lines()
    assert said in lines[0]
    assert ("warning" in "".join(lines[1:])) == warns
