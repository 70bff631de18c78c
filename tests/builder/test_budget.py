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
        (
            "onnx+lean+microbatch:lanes=2",
            "1 worker x 2 lanes x 1 intra-op "
            "(up to 2 for a request that finds the others idle), not spinning: 2 on 2 CPUs",
            False,
        ),
        ("onnx+lean+microbatch:lanes=1", "1 lane x 2 intra-op, not spinning: 2 on", False),
        ("onnx+lean+microbatch:lanes=3", "3 lanes x 1 intra-op, not spinning: 3 on", True),
        ("onnx+lean+microbatch:lanes=1+workers=2", "2 workers x 1 lane x 1 intra-op, not", False),
        (
            "onnx+lean+microbatch:lanes=2+limits:cpu=4",
            "2 lanes x 2 intra-op (each lane's own and 1 that the lanes share; "
            "up to 4 for a request that finds the others idle), not spinning: 3 on 4 CPUs",
            False,
        ),
        ("onnx+threads=2+lean+microbatch:lanes=2", "not spinning: 3 on 2 CPUs", True),
        ("threads=2+lean+microbatch:lanes=2", "2 lanes x 2 intra-op, not spinning: 4 on", True),
        ("onnx+threads+lean+microbatch:lanes=2", "2 lanes x 1 intra-op", False),
        ("onnx+lean", "1 lane x 4 intra-op, the library's own choice, spinning: 4 on", True),
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
    found = budget(compose(spec), {})
    lines = found.lines()
    assert said in lines[0]
    assert ("warning" in "".join(lines[1:])) == warns
    if warns:
        assert ("fewer lanes" in lines[1]) == (found.lanes > 1)


def test_a_lane_for_each_cpu_is_what_it_is_without_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "cpus", lambda: 4)
    monkeypatch.setattr("bentofiles.predictor.cpus", lambda: 4)
    for rest in ("", "+workers=2", "+threads=2"):
        lanes = 4 if rest == "" else 2
        given = budget(compose(f"onnx+lean+microbatch:lanes={lanes}{rest}"), {})
        assert given == budget(compose(f"onnx+lean+microbatch{rest}"), {})
